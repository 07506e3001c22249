"""Scenes for the tests of locks: every face, over TCP and over REST."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dousell_cache.local import Cloud, process
from dousell_cache.local.process import answers_http

from ..faces import FACES
from .parties import MEANWHILE, Scene, Ways

if TYPE_CHECKING:
    from ..conftest import FreeValkey

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["tcp", "rest"])
def ways(request: pytest.FixtureRequest) -> Ways:
    """Both ways to the servers that all tests share."""
    if request.param == "tcp":
        return Ways("tcp", request.getfixturevalue("valkey_url"))
    cloud: Cloud = request.getfixturevalue("cloud")
    return Ways("rest", cloud.valkey_url, cloud.upstash_url, cloud.upstash_token)


@pytest.fixture(params=["tcp", "rest"])
def mortal_ways(request: pytest.FixtureRequest, free_valkey: "FreeValkey") -> Iterator[Ways]:
    """Both ways to a server of the test's own."""
    if request.param == "tcp":
        yield Ways("tcp", free_valkey.url)
    else:
        with emulated(free_valkey) as ways:
            yield ways


@pytest.fixture(params=FACES)
async def scene(request: pytest.FixtureRequest, ways: Ways) -> AsyncIterator[Scene]:
    """A scene of each face, over each way."""
    scene = Scene(request.param, ways)
    yield scene
    await scene.close()


@pytest.fixture(params=FACES)
async def mortal(request: pytest.FixtureRequest, mortal_ways: Ways) -> AsyncIterator[Scene]:
    """A scene whose server the test may maltreat."""
    scene = Scene(request.param, mortal_ways)
    yield scene
    await scene.close()


@contextmanager
def emulated(server: "FreeValkey") -> Iterator[Ways]:
    """Put an Upstash emulator before a server for the length of a block."""
    (port,) = process.free_ports(1)
    command = [sys.executable, "-m", "dousell_cache.local.upstash", "--port", str(port)]
    child = process.spawn(
        "the upstash gateway",
        [*command, "--valkey-socket", server.socket],
        server.folder / "upstash.log",
        environment={"UPSTASH_EMULATOR_TOKEN": "a-token"},
    )
    try:
        child.wait_ready(partial(answers_http, port, "/health"), MEANWHILE)
        yield Ways("rest", server.url, f"http://127.0.0.1:{port}", "a-token")
    finally:
        process.stop_all([child])


class Holding:
    """Another process, which holds a lock and does as it is told; see :mod:`.holder`."""

    def __init__(self, scene: Scene) -> None:
        ways = scene.ways
        address = [ways.url, ""] if ways.kind == "tcp" else [ways.endpoint, ways.token]
        command = [sys.executable, "-m", "tests.locks.holder", scene.face, scene.namespace, *address]
        self._popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)

    def told(self, word: str, *arguments: Any) -> Any:
        """Tell it a word and return what came of it."""
        self.tell(word, *arguments)
        assert self._popen.stdout
        return json.loads(self._popen.stdout.readline())

    def tell(self, word: str, *arguments: Any) -> None:
        """Tell it a word."""
        assert self._popen.stdin
        self._popen.stdin.write(json.dumps([word, *arguments]) + "\n")
        self._popen.stdin.flush()

    def pause(self) -> None:
        """Freeze it."""
        os.kill(self._popen.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        os.kill(self._popen.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._popen.kill()
        with self._popen:  # closes its pipes and waits for its end
            pass


@pytest.fixture
def holding() -> Iterator[Any]:
    """A function that starts another process in a scene."""
    with ExitStack() as started:

        def start(scene: Scene) -> Holding:
            process = Holding(scene)
            started.callback(process.kill)
            return process

        yield start


async def told(holding: Holding, word: str, *arguments: Any) -> Any:
    """Tell another process a word while this one's loop goes on."""
    return await asyncio.to_thread(holding.told, word, *arguments)
