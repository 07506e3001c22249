"""Locks over every transport and on both faces: what works over one works over all."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from dousell_cache.errors import LockBusy, LockLost

from ..faces import FACES, open_face
from ..locks.parties import NAME, Grip, Party
from .test_transports import PATIENCE, SERVERS


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> str:
    """The name of a server."""
    return str(request.param)


@pytest.fixture(params=FACES)
async def parties(request: pytest.FixtureRequest, server: str, namespace: str) -> AsyncIterator[list[Party]]:
    """Three processes' caches of one face on one server."""
    fixture, environment = SERVERS[server]
    target = environment(request.getfixturevalue(fixture))
    with ThreadPoolExecutor(8) as threads:
        faces = [await open_face(request.param, target, PATIENCE, namespace) for _ in range(3)]
        yield [Party(face, threads) for face in faces]
        for face in faces:
            await face.close()


async def test_a_lock_from_its_first_word_to_its_last(parties: list[Party]) -> None:
    """Taken, refused to others, ensured, extended, released, and taken by the next with a higher fence."""
    a, b, _ = parties
    grip = await a.take(20)
    with pytest.raises(LockBusy):
        await b.take()
    await grip.ensure()
    await grip.extend(60, fence_above=grip.fence + 1000)
    assert 50 < grip.remaining() < 60
    await grip.release()
    other = await b.take()
    assert other.fence > grip.fence
    with pytest.raises(LockLost):
        await grip.ensure()
    await other.release()


@pytest.mark.parametrize("fair", [False, True])
async def test_those_who_wait_are_served(parties: list[Party], fair: bool) -> None:
    """Two wait for a third; each is granted in turn, and nothing hangs."""
    a, *others = parties
    grip = await a.take()
    waiting = [asyncio.ensure_future(party.take(wait=20, fair=fair)) for party in others]
    await asyncio.sleep(0.05)
    assert not any(task.done() for task in waiting)
    await grip.release()
    fences = []
    while waiting:
        done, rest = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        waiting = list(rest)
        for task in done:
            next_grip: Grip = task.result()
            fences.append(next_grip.fence)
            await next_grip.release()
    assert len(fences) == len(set(fences)) == 2
    assert fences == sorted(fences)


async def test_a_lock_ends_by_itself(parties: list[Party]) -> None:
    """A lock that nobody releases is the next one's when its time is over, and its holder is told."""
    a, b, _ = parties
    grip = await a.take(0.2)
    other = await b.take(wait=20)
    with pytest.raises(LockLost):
        await grip.release()
    await other.release()
    with pytest.raises(LockBusy):
        await holding(a, b)


async def holding(a: Party, b: Party) -> None:
    """Ask for a lock that is renewed for longer than its ttl."""
    grip = await a.take(0.2, renew=True)
    await asyncio.sleep(0.3)
    try:
        await b.take(name=NAME)
    finally:
        await grip.release()
