"""What the emulators share: the delay, the mark, the health check, the command line and the way out."""

import asyncio
import itertools
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from dousell_cache.local.gateway import _Gateway
from dousell_cache.local.latency import LatencyProfile
from dousell_cache.local.process import Child, answers_http, free_ports, spawn, stop_all

PROFILE = LatencyProfile("test", mean_ms=40, jitter_ms=10, seed=3)
MODULE = [sys.executable, "-m", "dousell_cache.local.supabase"]
NOWHERE = ["--postgrest", "http://127.0.0.1:9"]


class Echo:
    """A service that answers at once."""

    async def is_ready(self) -> bool:
        """Always."""
        return True

    async def answer(self, request: Request) -> Response:
        """Say the path."""
        return PlainTextResponse(request.url.path)

    async def close(self) -> None:
        """Nothing to close."""


class Stuck(Echo):
    """A service whose server never answers."""

    async def is_ready(self) -> bool:
        """Never say."""
        await asyncio.Event().wait()
        return True


async def get(gateway: _Gateway, path: str) -> httpx.Response:
    """Ask a gateway in this process."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(gateway), base_url="http://gateway") as client:
        return await client.get(path)


async def test_each_request_waits_one_delay_of_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    """The delays are the profile's, in its order, one a request; the health check waits for nobody."""
    slept: list[float] = []
    sleep = asyncio.sleep

    async def recorded(seconds: float) -> None:
        slept.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", recorded)
    gateway = _Gateway(Echo(), PROFILE)
    for path in ("/a", "/health", "/b", "/c"):
        assert (await get(gateway, path)).status_code == 200
    assert slept == list(itertools.islice(PROFILE.delays(), 3))


async def test_every_response_says_that_it_is_emulated() -> None:
    """The mark carries the profile's label, and stays when no latency is added."""
    for path in ("/a", "/health"):
        assert (await get(_Gateway(Echo(), PROFILE), path)).headers["dousell-emulated"] == PROFILE.label
        plain = await get(_Gateway(Echo(), None), path)
        assert plain.headers["dousell-emulated"] == "no latency added, emulated"


async def test_a_server_that_hangs_is_not_healthy() -> None:
    """The health check gives up by itself."""
    assert (await get(_Gateway(Stuck(), None), "/health")).status_code == 503


def started(folder: Path, *more: str) -> tuple[Child, int]:
    """Start a gateway to nowhere and wait until it listens."""
    (port,) = free_ports(1)
    child = spawn("gateway", [*MODULE, "--port", str(port), *NOWHERE, *more], folder / "log")
    child.wait_ready(lambda: listens(port), 20)
    return child, port


def listens(port: int) -> bool:
    """Tell whether a gateway answers at all."""
    try:
        httpx.get(f"http://127.0.0.1:{port}/health")
    except httpx.TransportError:
        return False
    return True


@pytest.mark.parametrize("address", ["127.0.0.2", "[::1]"])
def test_it_listens_on_127_0_0_1_only(tmp_path: Path, address: str) -> None:
    """Not even another loopback address reaches it."""
    child, port = started(tmp_path)
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://{address}:{port}/health")
    stop_all([child])


@pytest.mark.parametrize("farewell", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_with_status_0(tmp_path: Path, farewell: signal.Signals) -> None:
    """Leaving is no failure, even while a request waits out its latency, and leaves no traceback behind."""
    child, port = started(tmp_path, "--latency", "mean=60000")
    with httpx.Client() as client, pytest.raises(httpx.ReadTimeout):
        client.get(f"http://127.0.0.1:{port}/rest/v1/t", timeout=0.5)
    os.kill(child.pid, farewell)
    assert child.popen.wait(10) == 0
    assert "Traceback" not in child.log.read_text()


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process, and the gateways it starts, open more descriptors than select() can watch."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (2048, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("many_files")
def test_more_clients_than_descriptors_are_survived(tmp_path: Path) -> None:
    """A gateway that runs out of descriptors lives, and serves again once the crowd has gone."""
    child, port = started(tmp_path)
    try:
        crowd = [socket.create_connection(("127.0.0.1", port)) for _ in range(1100)]
        for one in crowd:
            one.close()
        child.wait_ready(lambda: listens(port), 20)
    finally:
        stop_all([child])


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    """A second gateway on the same port ends and says why."""
    child, port = started(tmp_path)
    try:
        second = run(["--port", str(port), *NOWHERE])
    finally:
        stop_all([child])
    assert second.returncode != 0
    assert "address already in use" in second.stderr.lower()
    assert "Traceback" not in second.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "1", *NOWHERE, "--latency", "upstash"], "did you mean 'upstash-eu'?"),
        (["--port", "x", *NOWHERE], "invalid int value: 'x'"),
        (["--port", "1"], "--postgrest"),
        (NOWHERE, "--port"),
    ],
)
def test_wrong_usage_is_status_2_and_one_sentence(arguments: list[str], words: str) -> None:
    """The last line names what was wrong."""
    done = run(arguments)
    assert done.returncode == 2
    assert words in done.stderr.splitlines()[-1]


def test_a_server_that_is_gone_is_said_and_a_new_one_is_found(free_valkey: Any, tmp_path: Path) -> None:
    """Without Valkey every endpoint answers 503 with a JSON error; with a new Valkey it serves again."""
    (port,) = free_ports(1)
    options = ["--port", str(port), "--valkey-socket", free_valkey.socket]
    command = [sys.executable, "-m", "dousell_cache.local.upstash", *options]
    child = spawn("emulator", command, tmp_path / "log", environment={"UPSTASH_EMULATOR_TOKEN": "t"})
    ready = partial(answers_http, port, "/health")
    try:
        child.wait_ready(ready, 20)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", params={"_token": "t"}) as client:
            assert client.post("/", json=["INCR", "n"]).json() == {"result": 1}
            free_valkey.kill()
            for path, body in (("/", ["INCR", "n"]), ("/pipeline", [["INCR", "n"]]), ("/multi-exec", [["INCR", "n"]])):
                response = client.post(path, json=body)
                assert response.status_code == 503
                assert response.json()["error"].startswith("MASTERDOWN ")
            assert not ready()
            free_valkey.restart()
            child.wait_ready(ready, 20)
            assert client.post("/", json=["INCR", "n"]).json() == {"result": 1}
    finally:
        stop_all([child])


def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a gateway that should end by itself."""
    return subprocess.run([*MODULE, *arguments], capture_output=True, text=True, timeout=30, check=False)
