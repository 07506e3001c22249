"""Interrupted anywhere (S18, A9): at whatever line of this package Ctrl-C arrives, nothing of a lock is left behind."""

import gc
import linecache
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, Self

import pytest

import dousell_cache
from dousell_cache import Cache, connect
from dousell_cache.errors import LockBusy
from dousell_cache.testing.faults import FaultProxy

from .parties import MEANWHILE, NAME, Scene, Ways, watchers

PACKAGE = str(Path(dousell_cache.__file__).parent)
# Interrupted on its way to run_blocking, a coroutine was never begun: Python says so, and it does no harm.
pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
EVERY = bool(os.environ.get("DOUSELL_CACHE_REPEATS"))


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Collect those coroutines here, where they are expected, and not in some later test."""
    yield
    gc.collect()


class Interruption:
    """Ctrl-C at the n-th line of this package that the thread executes, wherever CPython may look for signals.

    It does at calls and loops, and so never between the last line of a ``with`` and its ``__exit__``.

    Args:
        number: n, from 0.
    """

    def __init__(self, number: int) -> None:
        self.left = number
        self.at = ""
        self._lines = dict[FrameType, int]()

    def __enter__(self) -> Self:
        sys.settrace(self._called)
        return self

    def __exit__(self, *error: object) -> None:
        sys.settrace(None)

    def _called(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        return self._line if frame.f_code.co_filename.startswith(PACKAGE) and not self.at else None

    def _line(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if event != "line" or self.at or self._is_out_of_reach(frame):
            return self._line
        if not self.left:
            self.at = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} {frame.f_code.co_name}"
            raise KeyboardInterrupt
        self.left -= 1
        return self._line

    def _is_out_of_reach(self, frame: FrameType) -> bool:
        """Tell whether no code could hear of it: before the first line of ``__exit__``, or where nobody looks."""
        before = self._lines.get(frame, 0)
        self._lines[frame] = frame.f_lineno
        line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
        is_leaving = before > frame.f_lineno and line.startswith(("with ", "async with "))
        return is_leaving or (not before and frame.f_code.co_qualname == "Lock.__exit__")


def held(cache: Cache) -> None:
    """Do everything that can be done with a lock."""
    with cache.lock(NAME, 30, renew=True) as grip:
        grip.ensure()
        grip.extend(20)


def waited(cache: Cache) -> None:
    """Wait for a lock that somebody has."""
    with suppress(LockBusy), cache.lock(NAME, 30, wait=0.03):
        pass


@pytest.fixture
def scene(ways: Ways) -> Iterator[Scene]:
    """A scene of the blocking face."""
    scene = Scene("blocking", ways)
    yield scene
    scene.threads.shutdown()
    scene._admin.close()


def interrupted(flow: Callable[[Cache], None], cache: Cache, number: int) -> str:
    """Interrupt a flow; return where that was, or nothing if it was over before."""
    interruption = Interruption(number)
    try:
        with interruption:
            flow(cache)
    except KeyboardInterrupt:
        return interruption.at
    assert not interruption.at, f"interrupted at {interruption.at}, and went on"
    return ""


def every_line(scene: Scene, flow: Callable[[Cache], None], stride: int) -> dict[str, set[str]]:
    """Interrupt a flow at every line, or at some of them; return what the first of them left that left anything."""
    with connect(scene.ways.target, namespace=scene.namespace, patience=5) as cache:
        flow(cache)  # connected, and known to the server's scripts
        number, at = 0, "begun"
        while at:
            at = interrupted(flow, cache, number)
            if left := {*scene.left(), *watchers()}:
                return {at: left}
            number += stride
    return {}


def test_s18_interrupted_at_every_line(scene: Scene) -> None:
    """At whatever line Ctrl-C arrives while a lock is taken, held and left: it is gone, and so is its thread."""
    stride = 1 if EVERY or scene.ways.kind == "tcp" else 7
    assert every_line(scene, held, stride) == {}


def test_s18_interrupted_while_it_waits(scene: Scene) -> None:
    """A waiter that is interrupted, at whatever line, leaves no place in the queue, no turn and no bell."""
    scene.ask("SET", scene.names().lock, "another", "PX", 120_000)
    with connect(scene.ways.target, namespace=scene.namespace, patience=5) as cache:
        number, at = 0, "begun"
        while at:
            at = interrupted(waited, cache, number)
            assert scene.left() == {scene.names().lock}, at
            number += 1 if EVERY else 5
    assert number > 100


@pytest.fixture
def heeds_ctrl_c() -> Iterator[None]:
    """Heed SIGINT, which a shell lets what it runs in the background ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_s18_a_real_ctrl_c(ways: Ways, scene: Scene) -> None:
    """SIGINT while a reply is on its way, in taking, asking, extending and letting go: nothing is left."""
    with ways.proxy() as proxy, connect(ways.through(proxy), namespace=scene.namespace, patience=5) as cache:
        held(cache)
        proxy.inject("delay", seconds=0.05)
        for number in range(1, 5):  # taken, ensured, extended, released
            with ThreadPoolExecutor(1) as threads:
                threads.submit(interrupt, proxy, proxy.commands + number)
                with pytest.raises(KeyboardInterrupt):
                    held(cache)
            assert (scene.left(), watchers()) == (set(), [])


def interrupt(proxy: FaultProxy, commands: int) -> None:
    """Send this process SIGINT as soon as so many commands have arrived."""
    deadline = time.monotonic() + MEANWHILE
    while proxy.commands < commands and time.monotonic() < deadline:
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGINT)
