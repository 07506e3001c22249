"""Servers for every test: real ones, started on first use, private to this test session, gone when it ends.

And the caches on them that most tests speak to: a face, and another process's.
"""

import inspect
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from dousell_cache import Cache, connect, local
from dousell_cache.local import process, runtime, valkey

from . import servers_redis
from .faces import FACES, Face, open_face

# Test modules import these names for the type checker only: ``if TYPE_CHECKING: from .conftest import …``.
WaitUntil = Callable[[Callable[[], bool]], None]

_SECONDS = 20.0  # a deadline for a laden machine, never a wait


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not true after {_SECONDS:g} s: {inspect.getsource(condition).strip()}"
        time.sleep(0.01)


def _stopped(folder: Path) -> bool:
    lock = runtime.open_lock(folder / "supervisor")
    try:
        return runtime.try_lock(lock)
    finally:
        os.close(lock)


@contextmanager
def _runtime_folder() -> Iterator[Path]:
    base = Path(tempfile.mkdtemp(prefix="dc-", dir="/tmp"))  # short, for the unix sockets
    base.chmod(0o711)  # open to the user that root's PostgreSQL runs as
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(runtime.BASE_VARIABLE, str(base))
        yield base
    _wait_until(lambda: all(_stopped(folder) for folder in base.iterdir()))
    shutil.rmtree(base)


# A developer's own variables decide nothing here, and nothing is far away.
_UNSET = (
    "VERCEL",
    "UPSTASH_REDIS_REST_URL",
    "UPSTASH_REDIS_REST_TOKEN",
    "KV_REST_API_URL",
    "KV_REST_API_TOKEN",
    "REDIS_URL",
    "VALKEY_URL",
    "SUPABASE_URL",
    "SUPABASE_KEY",
    "DOUSELL_CACHE_RESULTS",
    "COLUMNS",
    "DOUSELL_CACHE_KPIS",
    "GITHUB_STEP_SUMMARY",
)


@contextmanager
def _own_variables() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for variable in _UNSET:
            patch.delenv(variable, raising=False)
        for variable in ("DOUSELL_CACHE_LATENCY", "DOUSELL_ORIGIN_LATENCY"):
            patch.setenv(variable, "none")
        yield


def _let_go_of_the_site() -> None:
    # Only if a test imported it: supabase and pandas come with it.
    site = sys.modules.get("dousell_cache.dousell.site")
    if site and site.shared_cloud.cache_info().currsize:
        site.shared_cloud().close()
        site.shared_cloud.cache_clear()


class FreeValkey:
    """A Valkey of one test's own, which it may kill, pause and restart on the same port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (self.port,) = process.free_ports(1)
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.socket = str(valkey.socket_path(folder))
        self._start()

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._child.pid

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would."""
        self._child.popen.kill()
        self._child.popen.wait()

    def pause(self) -> None:
        """Freeze it: connections open, nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after a pause."""
        os.kill(self.pid, signal.SIGCONT)

    def restart(self) -> None:
        """Kill it if it runs, and start an empty one on the same port."""
        self.kill()
        self._start()

    def _start(self) -> None:
        self._child = valkey.start(valkey.server_path(), self.folder, self.port)
        valkey.wait_ready(self._child, self.folder)


@pytest.fixture(scope="session", autouse=True)
def session_runtime() -> Iterator[Path]:
    """A runtime folder of this session's own, so that no test meets a developer's servers."""
    with _own_variables(), _runtime_folder() as base:
        yield base
        _let_go_of_the_site()


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    """What a test's code puts into the environment, from a `.env` file for instance, ends with the test."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def private_runtime() -> Iterator[Path]:
    """A runtime folder of this test's own; the test ends only when every supervisor in it has."""
    with _runtime_folder() as base:
        yield base


@pytest.fixture(scope="session")
def wait_until() -> WaitUntil:
    """A function that waits for a condition and fails the test if it does not come true in time."""
    return _wait_until


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """The URL of a Valkey shared by the session's tests: use keys of your own, never flush it."""
    with local.embedded() as server:
        yield server.url


@pytest.fixture(scope="session")
def valkey_socket() -> Iterator[str]:
    """The unix socket of the same Valkey."""
    with local.embedded() as server:
        yield server.socket


@pytest.fixture(scope="session")
def cloud() -> Iterator[local.Cloud]:
    """A cloud without latency, shared by the session's tests: use keys and tables of your own."""
    with local.cloud() as servers:
        yield servers


@pytest.fixture
def free_valkey() -> Iterator[FreeValkey]:
    """A Valkey of this test's own, to be maltreated."""
    folder = Path(tempfile.mkdtemp(prefix="dv-", dir="/tmp"))
    server = FreeValkey(folder)
    yield server
    server.kill()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def redis7() -> Iterator[servers_redis.TlsServer]:
    """Debian's Redis 7, plain and over TLS, shared by the session's tests: use keys of your own."""
    with servers_redis.running(servers_redis.TlsServer) as server:
        yield server


@pytest.fixture(scope="session")
def three_nodes() -> Iterator[servers_redis.ThreeNodes]:
    """A Cluster of three Valkeys, shared by the session's tests: use keys of your own."""
    with servers_redis.running(servers_redis.ThreeNodes) as servers:
        yield servers


@pytest.fixture(scope="session")
def watched() -> Iterator[servers_redis.Watched]:
    """A Redis master, its replica and their Sentinel, shared by the session's tests: use keys of your own."""
    with servers_redis.running(servers_redis.Watched) as servers:
        yield servers


@pytest.fixture
def free_nodes() -> Iterator[servers_redis.ThreeNodes]:
    """A Cluster of a test's own, to be maltreated."""
    with servers_redis.running(servers_redis.ThreeNodes) as servers:
        yield servers


@pytest.fixture
def free_watched() -> Iterator[servers_redis.Watched]:
    """A master, a replica and a Sentinel of a test's own, to be maltreated."""
    with servers_redis.running(servers_redis.Watched) as servers:
        yield servers


@pytest.fixture
def namespace() -> str:
    """What a test's caches put before their keys."""
    return f"test-{uuid4().hex}:"


@pytest.fixture(params=FACES)
async def face(request: pytest.FixtureRequest, valkey_url: str, namespace: str) -> AsyncIterator[Face]:
    """Both faces."""
    opened = await open_face(request.param, valkey_url, namespace=namespace)
    yield opened
    await opened.close()


@pytest.fixture
def other(valkey_url: str, namespace: str) -> Iterator[Cache]:
    """Another process's cache."""
    with connect(valkey_url, namespace=namespace, patience=5, ttl=60) as cache:
        yield cache
