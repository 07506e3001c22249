"""What locks cost, by the server's own count: 2 for a lock and its release, 5 a second at most for a waiter."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from dousell_cache import scripts
from dousell_cache.errors import LockBusy

from ..monitors import Monitor, Received, most_in_a_second, watching
from .parties import Party, Scene, Ways


@pytest.fixture
def monitor(mortal_ways: Ways) -> Iterator[Monitor]:
    """What a server that knows no script receives."""
    with watching(mortal_ways.url) as watched:
        yield watched


async def received(monitor: Monitor, scene: Scene, *, releases: bool = True) -> list[float]:
    """Return when clients sent what concerns this scene, since the last time."""
    commands = await asyncio.to_thread(monitor.received, scene.namespace)
    return [command.at for command in commands if releases or not is_release(command)]


def is_release(command: Received) -> bool:
    """Tell whether a command lets go of a lock: whoever does waits no more."""
    return scripts.RELEASE.sha in command.rest or "Let go of all" in command.rest


async def test_a_lock_and_its_release_cost_two(mortal: Scene, monitor: Monitor) -> None:
    """One command to take it and one to leave it, on a server that knows no script; one for each word between."""
    a = await mortal.party()
    for words, price in ((0, 2), (0, 2), (1, 3), (2, 4)):

        async def body(held: Any, words: int = words) -> None:
            for word in ("ensure", "extend")[:words]:
                await getattr(held, word)()

        def blocking(held: Any, words: int = words) -> None:
            for word in ("ensure", "extend")[:words]:
                getattr(held, word)()

        await a.inside(blocking if a.is_blocking else body)
        assert len(await received(monitor, mortal)) == price
        assert a.commands() == price
        a.events.clear()


@pytest.mark.parametrize("fair", [False, True])
@pytest.mark.parametrize("seconds", [0.05, 0.7, 1.6])
async def test_a_waiter_costs_five_a_second(mortal: Scene, monitor: Monitor, seconds: float, fair: bool) -> None:
    """Whoever waits sends five commands in any second at most, until it has the lock, and counts them right."""
    a, b = await mortal.party(), await mortal.party()
    grip = await a.take()
    await received(monitor, mortal)
    waiting = asyncio.ensure_future(b.inside(lambda _: None, wait=20, fair=fair))
    await asyncio.sleep(seconds)
    await grip.release()
    await waiting
    sent = await received(monitor, mortal, releases=False)
    assert most_in_a_second(sent) <= 5
    assert b.commands() == len(sent) + 1


async def test_who_waits_in_vain_costs_no_more(mortal: Scene, monitor: Monitor) -> None:
    """Nor does one that waits in vain: it asks at the end once more, and leaves the queue."""
    a, b = await mortal.party(), await mortal.party()
    await a.take()
    await received(monitor, mortal)
    with pytest.raises(LockBusy):
        await b.take(wait=0.9)
    sent = await received(monitor, mortal)
    assert most_in_a_second(sent) <= 5
    assert len(sent) - b.commands() in (0, 1), "leaving the queue is told to nobody"


@pytest.mark.parametrize("fair", [False, True])
async def test_a_grant_under_contention_costs_six(mortal: Scene, monitor: Monitor, fair: bool) -> None:
    """Eight who want the lock ten times each: six commands a grant at most, over REST what waiting costs besides."""
    parties = [await mortal.party() for _ in range(8)]
    rounds = 10 if mortal.ways.kind == "tcp" else 1
    began = time.monotonic()

    async def want(party: Party) -> None:
        for _ in range(rounds):
            await party.inside(lambda _: None, wait=60, fair=fair)

    await asyncio.gather(*map(want, parties))
    waited = 8 * (time.monotonic() - began)
    sent = len(await received(monitor, mortal))
    assert sent == sum(party.commands() for party in parties)
    assert sent <= 6 * 8 * rounds + (0 if mortal.ways.kind == "tcp" else 5 * waited)
