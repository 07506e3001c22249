"""Joining and starting shared servers: one start for all, and no server outlives its users."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis

from dousell_cache.errors import CacheUnavailable
from dousell_cache.local import embedded, process, runtime, services, shared, supervisor, valkey

from .processes import gone, running

if TYPE_CHECKING:
    from .conftest import FreeValkey, WaitUntil

USER = """
import json, sys
import redis
from dousell_cache.local import embedded
server = embedded()
pid = redis.Redis.from_url(server.url).info("server")["process_id"]
try:
    print(json.dumps({"pid": pid, "url": server.url}), flush=True)
    sys.stdin.readline()
except KeyboardInterrupt:
    print(redis.Redis.from_url(server.url).ping(), flush=True)
    sys.stdin.readline()
"""

FORKER = """
import os, sys
from pathlib import Path
from dousell_cache.local.shared import Lease
lease = Lease(Path(sys.argv[1]), deadline=float("inf"))
child = os.fork()
if not child:
    lease.close()
    os._exit(0)
os.waitpid(child, 0)
print("forked", flush=True)
sys.stdin.read()
"""

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")

pytestmark = pytest.mark.usefixtures("private_runtime")


class User:
    """Another process that uses the embedded Valkey, in a process group of its own."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def line(self) -> Any:
        """Wait for its next word."""
        assert self.process.stdout
        return json.loads(self.process.stdout.readline().lower())

    def kill(self) -> None:
        """End it as a killed kernel ends; a second call does nothing."""
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def new_user() -> Iterator[Callable[[], User]]:
    """A function that starts a user; those that the test leaves are killed."""
    with ExitStack() as stack:

        def start() -> User:
            user = User()
            stack.callback(user.kill)
            return user

        yield start


def _server_pid(url: str) -> int:
    with redis.Redis.from_url(url) as client:
        return int(client.info("server")["process_id"])


def _supervisor_pid(server_pid: int) -> int:
    return running()[server_pid].parent


def test_six_processes_at_once_get_one_server_that_dies_with_the_last(
    new_user: Callable[[], User], wait_until: "WaitUntil"
) -> None:
    """However many start together: one server; five killed leave it running; the sixth's SIGKILL ends it."""
    users = [new_user() for _ in range(6)]
    facts = [user.line() for user in users]
    assert len({fact["pid"] for fact in facts}) == 1
    for user in users[1:]:
        user.kill()
    with redis.Redis.from_url(facts[0]["url"]) as client:
        assert client.ping()
    users[0].kill()
    wait_until(lambda: gone(facts[0]["pid"]))


def test_an_interrupt_of_the_users_process_group_spares_the_server(new_user: Callable[[], User]) -> None:
    """A notebook's interrupt is SIGINT to the group: the kernel goes on, and so does its server."""
    user = new_user()
    pid = user.line()["pid"]
    os.killpg(user.process.pid, signal.SIGINT)
    assert user.line() is True
    with embedded() as server:
        assert _server_pid(server.url) == pid


def test_closing_the_last_handle_stops_the_server(wait_until: "WaitUntil") -> None:
    """One handle's close leaves the other's server alone; closing twice is one close."""
    first = embedded()
    pid = _server_pid(first.url)
    with embedded() as second:
        first.close()
        first.close()
        assert _server_pid(second.url) == pid
    wait_until(lambda: gone(pid))


def test_who_comes_during_the_stop_gets_a_new_server(wait_until: "WaitUntil") -> None:
    """While the old server is going down a new user waits, and then has one that answers."""
    old = embedded()
    pid = _server_pid(old.url)
    old.close()
    wait_until(lambda: not valkey.listens(Path(old.socket)))
    with embedded() as new:
        assert _server_pid(new.url) != pid


def test_a_server_that_died_is_replaced(wait_until: "WaitUntil") -> None:
    """The supervisor takes the rest down when one service ends, and the next to come starts anew."""
    with embedded() as old:
        pid = _server_pid(old.url)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not valkey.listens(Path(old.socket)))
        with embedded() as new:
            assert _server_pid(new.url) != pid
            assert gone(pid)


@on_linux
def test_a_killed_supervisor_takes_its_servers_along(wait_until: "WaitUntil") -> None:
    """SIGKILL leaves it no time to stop them: the kernel does, and the next to come starts anew."""
    with embedded() as old:
        pid = _server_pid(old.url)
        os.kill(_supervisor_pid(pid), signal.SIGKILL)
        wait_until(lambda: gone(pid))
        with embedded() as new:
            assert _server_pid(new.url) != pid


def test_a_terminated_supervisor_stops_its_servers(private_runtime: Path, wait_until: "WaitUntil") -> None:
    """SIGTERM, as at a shutdown of the machine, leaves neither process nor file."""
    with embedded() as server:
        os.kill(_supervisor_pid(_server_pid(server.url)), signal.SIGTERM)
        wait_until(lambda: not list(private_runtime.glob("*/run-*")))
        assert not list(private_runtime.glob("*/state.json"))


def test_a_strangers_server_is_left_alone(free_valkey: "FreeValkey", monkeypatch: pytest.MonkeyPatch) -> None:
    """When our port is already somebody's, we start on another one; theirs keeps its data throughout."""
    (good,) = process.free_ports(1)
    ports = iter([[free_valkey.port], [good]])
    monkeypatch.setattr(services, "free_ports", lambda _count: next(ports))
    folder = runtime.folder_for({})
    children: list[process.Child] = []
    with redis.Redis.from_url(free_valkey.url) as stranger:
        stranger.set("key", "theirs")
        facts = supervisor._start(folder, {"valkey": str(valkey.server_path())}, children)
        assert facts["url"] == f"redis://127.0.0.1:{good}/0"
        process.stop_all(children)
        assert stranger.get("key") == b"theirs"


def test_a_port_clash_without_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three tries are made, and the clash is reported."""
    children: list[process.Child] = []
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        ports = iter([[stranger.getsockname()[1]]] * 3)
        monkeypatch.setattr(services, "free_ports", lambda _count: next(ports))
        with pytest.raises(process.PortTaken):
            supervisor._start(runtime.folder_for({}), {"valkey": str(valkey.server_path())}, children)
    assert not list(ports)
    assert [child.alive() for child in children] == [False]


def test_a_server_that_cannot_start_is_reported(tmp_path: Path) -> None:
    """The caller gets the server's own last words, at once, and nothing stays behind."""
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho out of luck\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(CacheUnavailable, match="could not be started: Valkey ended before it was ready: out of luck"):
        shared.attach({"valkey": str(broken)})
    assert not list(runtime.base_folder().glob("*/run-*"))


def test_a_program_that_the_user_runs_does_not_hold_the_server(wait_until: "WaitUntil") -> None:
    """The lease is not inherited through exec, not even by a program that gets all our open files."""
    server = embedded()
    pid = _server_pid(server.url)
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, close_fds=False) as program:
        server.close()
        wait_until(lambda: gone(pid))
        assert program.poll() is None


def test_a_forked_child_shares_the_lease_and_cannot_end_it(tmp_path: Path) -> None:
    """The child's close leaves the parent's lease in force; the parent's end frees it."""
    command = [sys.executable, "-c", FORKER, str(tmp_path)]
    lock = runtime.open_lock(tmp_path / "lease")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        assert parent.stdout.readline()
        assert not runtime.try_lock(lock)
    assert runtime.try_lock(lock)
    os.close(lock)


def test_nothing_heavy_is_imported_by_a_user() -> None:
    """A kernel that joins pays for none of the gateways' and servers' libraries."""
    script = "import sys, dousell_cache.local as l; l.embedded().close(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"starlette", "uvicorn", "psycopg", "httpx", "supabase"} & set(done.stdout.split())


def test_the_callers_folder_is_not_imported_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A json.py beside a notebook must not break the servers."""
    (tmp_path / "json.py").write_text("raise SystemExit('shadowed')")
    monkeypatch.chdir(tmp_path)
    embedded().close()


def test_an_interrupt_during_the_start_leaves_nothing(monkeypatch: pytest.MonkeyPatch, wait_until: "WaitUntil") -> None:
    """Ctrl-C while waiting lets go of the lease, so that the supervisor stops what it has started."""

    def interrupt(_folder: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runtime, "read_state", interrupt)
        with pytest.raises(KeyboardInterrupt):
            embedded()
    wait_until(lambda: not list(runtime.base_folder().glob("*/run-*")))
