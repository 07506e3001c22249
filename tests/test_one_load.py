"""Promise 1 across processes: a hundred callers in four processes, one load; a killed one costs one more.

``DOUSELL_CACHE_REPEATS=100`` repeats each run a hundred times.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from dousell_cache.local import Cloud

from .monitors import watching

REPEATS = int(os.environ.get("DOUSELL_CACHE_REPEATS", "3"))
PROCESSES, THREADS = 4, 25
CALLERS = Path(__file__).with_name("callers.py")


class Way(NamedTuple):
    """An address, and a token if it is an endpoint."""

    url: str
    token: str


class Process:
    """One process full of callers."""

    def __init__(self, namespace: str) -> None:
        command = [sys.executable, str(CALLERS), namespace, str(THREADS)]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._lines = SimpleQueue[str]()
        self.loading = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._child.stdout
        for line in self._child.stdout:
            if line == "loading\n":
                self.loading.set()
            else:
                self._lines.put(line)
        self._lines.put("")

    def ready(self) -> None:
        """Wait until it has started."""
        assert self._lines.get(timeout=60) == "ready\n"

    def ask(self, way: Way, key: str, seconds: float, lease: float = 3.0) -> None:
        """Let every caller of it read a key."""
        assert self._child.stdin
        self.loading.clear()
        self._child.stdin.write(json.dumps([*way, lease, key, seconds]) + "\n")
        self._child.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Return what its callers saw."""
        line = self._lines.get(timeout=60)
        assert line, "the process ended"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would."""
        self._child.kill()
        self.end()

    def end(self) -> None:
        """Let it end, and see that it did."""
        assert self._child.stdin
        assert self._child.stdout
        self._child.stdin.close()
        self._child.wait(30)
        self._reader.join()
        self._child.stdout.close()


@pytest.fixture(params=["tcp", "rest"])
def way(request: pytest.FixtureRequest, cloud: Cloud) -> Way:
    """Both ways to one server."""
    return Way(cloud.valkey_url, "") if request.param == "tcp" else Way(cloud.upstash_url, cloud.upstash_token)


@pytest.fixture(scope="module")
def namespace() -> str:
    """What all processes put before their keys."""
    return f"test-{uuid4().hex}:"


@pytest.fixture(scope="module")
def running(namespace: str) -> Iterator[list[Process]]:
    """Four processes; a test that kills one of them puts another in its place."""
    processes = [Process(namespace) for _ in range(PROCESSES)]
    for process in processes:
        process.ready()
    yield processes
    for process in processes:
        process.end()


def test_a_hundred_callers_in_four_processes_load_once(
    running: list[Process], way: Way, namespace: str, cloud: Cloud
) -> None:
    """Exactly one load, one value for all, and fewer than a hundred commands, by the server's own count."""
    with watching(cloud.valkey_url) as monitor:
        for number in range(REPEATS):
            key = f"{bool(way.token)}:{number}"
            for process in running:
                process.ask(way, key, 0.5)
            answers = [process.answer() for process in running]
            assert sum(answer["loads"] for answer in answers) == 1
            assert [answer["values"] for answer in answers] == [[f"{key} loaded"]] * PROCESSES
            assert sum(answer["answered"] for answer in answers) == PROCESSES * THREADS
            received = monitor.names(namespace)
            assert len(received) < 100
            assert len(received) == sum(answer["commands"] for answer in answers)


def test_a_killed_leader_costs_one_more_load(running: list[Process], way: Way, namespace: str) -> None:
    """When the process that loads is killed, another one loads once its lease is over, and everybody is answered."""
    key, lease, load = f"killed:{bool(way.token)}", 1.0, 0.3
    for process in running:
        process.ask(way, key, load, lease)
    leader = first_to_load(running)
    killed = time.monotonic()
    leader.kill()
    running.remove(leader)
    answers = [process.answer() for process in running]
    took = time.monotonic() - killed
    running.append(Process(namespace))
    running[-1].ready()
    assert sum(answer["loads"] for answer in answers) == 1, "two with the one that was killed"
    assert [answer["values"] for answer in answers] == [[f"{key} loaded"]] * (PROCESSES - 1)
    assert took < lease + 1 + load + 1, "lease + 1 s, the load itself, and a second for a laden machine"


def first_to_load(running: list[Process]) -> Process:
    """Wait for one of the processes to load, and return it."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for process in running:
            if process.loading.wait(0.005):
                return process
    raise AssertionError("nobody loads")
