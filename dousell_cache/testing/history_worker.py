"""One process of a history run: it plays the batches it is told to, several histories at a time, until told to end.

Actors are threads over ``Cache`` in one process and tasks over ``AsyncCache`` in the next.
"""

import asyncio
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha1
from multiprocessing.connection import Connection

import msgspec

from .. import scripts
from ..async_cache import AsyncCache
from ..cache import Cache
from ..clocks import AsyncClock, BlockingClock
from ..connecting import connect, connect_async
from ..environments import Environment
from ..keys import Names
from ..runner import run_blocking
from ..scripts import Script
from ..transport.connect import async_transport, blocking_transport
from ..transport.port import AsyncTransport, BlockingTransport
from .history_actor import Actor, Desk, note
from .history_checker import Event
from .history_episode import Origin
from .scenario import Control

ACTORS = 3
"""How many actors of each process take part in a history."""

PATIENCE = 10.0
"""Seconds: a process that was paused must not take the server for dead."""

_MOST_THREADS = 256  # every actor of a batch may wait
_LEASE = 0.2  # shorter than the longest pause, so that leases do run out

Played = list[tuple[int, list[Event]]]
"""What happened: for each actor the number of its history, and its events."""


class Setting(msgspec.Struct, frozen=True):
    """What every process of a run is told.

    Args:
        environment: the server.
        namespace: put before every key.
        seed: what programs are drawn from.
        origin: the truth.
        without: the guard to switch off; "" for none.
    """

    environment: Environment
    namespace: str
    seed: int
    origin: Origin
    without: str = ""


def work(setting: Setting, number: int, pipe: Connection) -> None:
    """Play batches until None comes: what a process of a run does.

    Args:
        setting: the run's.
        number: the process's.
        pipe: brings batches, which are ranges of histories' numbers, and takes what was played.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the process that started this one too, which ends it
    if setting.without:
        _switch_off(setting.without)
    try:
        if number % 2:
            asyncio.run(_work_async(setting, number, pipe))
        else:
            _work_blocking(setting, number, pipe)
    except EOFError:  # whoever started this process is gone
        return


def controls() -> tuple[str, ...]:
    """Return the names of the guards that can be switched off, each of which a run must find out."""
    return tuple(_controls())


def _work_blocking(setting: Setting, number: int, pipe: Connection) -> None:
    environment = setting.environment
    transport = blocking_transport(environment, PATIENCE)
    with (
        connect(environment, namespace=setting.namespace, patience=PATIENCE, lease=_LEASE) as cache,
        ThreadPoolExecutor(_MOST_THREADS) as pool,
    ):
        desk = _desk(setting, number, cache, transport, BlockingClock())
        while batch := pipe.recv():
            playing = [(n, pool.submit(run_blocking, actor.play())) for n, actor in _cast(desk, batch)]
            pipe.send([(history, future.result()) for history, future in playing])
    transport.close()


async def _work_async(setting: Setting, number: int, pipe: Connection) -> None:
    environment = setting.environment
    transport = async_transport(environment, PATIENCE)
    cache = await connect_async(environment, namespace=setting.namespace, patience=PATIENCE, lease=_LEASE)
    async with cache:
        desk = _desk(setting, number, cache, transport, AsyncClock())
        while batch := await asyncio.to_thread(pipe.recv):
            cast = _cast(desk, batch)
            played = await asyncio.gather(*(actor.play() for _, actor in cast))
            pipe.send([(history, events) for (history, _), events in zip(cast, played, strict=True)])
    await transport.close()


def _desk(
    setting: Setting,
    number: int,
    cache: Cache | AsyncCache,
    transport: BlockingTransport | AsyncTransport,
    clock: BlockingClock | AsyncClock,
) -> Desk:
    cache.subscribe(note)
    return Desk(cache, transport, clock, setting.origin, Names(setting.namespace), setting.seed, number)


def _cast(desk: Desk, batch: range) -> list[tuple[int, Actor]]:
    return [(history, Actor(desk, history, actor)) for history in batch for actor in range(ACTORS)]


def _controls() -> dict[str, Control]:
    from . import guards  # brings the explorer along, which nobody else here needs

    found_by_chance = (guards.WRITE_CHECK, guards.COMPARES, guards.JOINING, guards.SET_LEASE, guards.MISSING_MOVED)
    return {control.name: control for control in found_by_chance}


def _switch_off(name: str) -> None:
    """Change the flows' code and the scripts for the rest of this process's life."""
    control = _controls()[name]
    control.patch().__enter__()
    for word in scripts.__all__:
        script = getattr(scripts, word)
        if isinstance(script, Script):  # the type is named there too
            (text,) = control.mutate((script.text.encode(),))
            setattr(
                scripts, word, replace(script, text=text.decode(), sha=sha1(text, usedforsecurity=False).hexdigest())
            )
