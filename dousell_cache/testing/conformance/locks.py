"""The locks: what a grant, its fence and its queue rest on, word by word."""

import math
from functools import partial
from typing import Any

from ...errors import CacheUnavailable
from ...keys import Names
from ...lock_store import Busy, Granted, LockStore
from ...reads import DirectReads
from ...store import Server
from ...terms import Terms
from ...transport.port import Argument, Port, Reply
from .check import DEADLINE, Transport, check, expect, together, until

_TERMS = Terms(60_000)
_FAIR = Terms(60_000, fair=True)
_QUEUE_MS = 60_000
_RACERS = 8


async def _hurried(port: Port, seconds: float, *command: Argument, insist: bool) -> Reply:  # noqa: ARG001 - no breaker
    return await port.send_within(seconds, *command)


def _holder(port: Port, prefix: str, token: str) -> LockStore:
    names = Names(prefix)
    server = Server(port, names, DirectReads(port), port.send_within, partial(_hurried, port))
    return LockStore(server, names.lock("lock", token), token, math.inf)


async def _forget(port: Port, prefix: str) -> None:
    expect(await port.send("DEL", Names(prefix).lock("lock", "").fence), 1)  # it would be there for a day


def _granted(answer: Granted | Busy) -> int:
    if not isinstance(answer, Granted):
        message = f"the lock was refused, {answer}, where it must be granted"
        raise AssertionError(message)
    return answer.fence


def _busy(answer: Granted | Busy, least: float) -> None:
    if not isinstance(answer, Busy) or not least <= answer.seconds_left <= _TERMS.ttl_ms / 1000:
        message = f"the lock was {answer} where it must be busy"
        raise AssertionError(message)


@check()
async def a_lock_has_one_holder(port: Port, prefix: str) -> None:
    """A lock is one token's until it is released; asked again by that it is granted again, to others it is not."""
    a, b = _holder(port, prefix, "a"), _holder(port, prefix, "b")
    first = _granted(await a.acquire(_TERMS, 0, late=False))
    again = _granted(await a.acquire(_TERMS, 0, late=False))
    _busy(await b.acquire(_TERMS, 0, late=False), 1)
    expect([await a.holds(), await b.holds()], [True, False])
    expect([await b.extend(60_000, None), await b.release(late=False, queued=False)], [None, False])
    expect(await a.extend(60_000, None), 0)
    expect([await a.release(late=False, queued=False) for _ in range(2)], [True, False])
    expect(await a.extend(60_000, None), None)
    third = _granted(await b.acquire(_TERMS, 0, late=False))
    expect(await b.release(late=False, queued=False), True)
    expect(sorted({first, again, third}), [first, again, third])
    await _forget(port, prefix)


@check()
async def fences_are_above_what_a_ledger_knows(port: Port, prefix: str) -> None:
    """A holder gets a fence above any number it names, exact to the last digit, and the next grant is above that."""
    a, b = _holder(port, prefix, "a"), _holder(port, prefix, "b")
    mark = _granted(await a.acquire(_TERMS, 0, late=False)) + 10**14
    expect(await a.extend(60_000, mark), mark + 1)
    expect(await a.release(late=False, queued=False), True)
    expect(_granted(await b.acquire(_TERMS, 0, late=False)), mark + 2)
    expect(await b.release(late=False, queued=False), True)
    await _forget(port, prefix)


@check()
async def who_waits_is_next(port: Port, prefix: str) -> None:
    """Tokens that queue get the lock in their order, and nobody else while it is somebody's turn."""
    a, b, c = (_holder(port, prefix, token) for token in "abc")
    _granted(await a.acquire(_FAIR, 0, late=False))
    _busy(await b.acquire(_FAIR, _QUEUE_MS, late=False), 1)
    _busy(await c.acquire(_FAIR, _QUEUE_MS, late=False), 1)
    expect(await a.release(late=False, queued=False), True)
    _busy(await a.acquire(_TERMS, 0, late=False), 0)
    _busy(await c.acquire(_FAIR, _QUEUE_MS, late=False), 0)
    _granted(await b.acquire(_FAIR, _QUEUE_MS, late=False))
    expect(await c.release(late=False, queued=True), False)
    expect(await b.release(late=False, queued=True), True)
    _granted(await a.acquire(_TERMS, 0, late=False))
    expect(await a.release(late=False, queued=False), True)
    await _forget(port, prefix)


@check()
async def what_was_given_up_takes_nothing(port: Port, prefix: str) -> None:
    """A token that was given up is refused, however late a command of it arrives."""
    a, b = _holder(port, prefix, "a"), _holder(port, prefix, "b")
    expect(await a.release(late=True, queued=True), False)
    try:
        answer = await a.acquire(_TERMS, _QUEUE_MS, late=False)
    except CacheUnavailable:
        pass
    else:
        message = f"a token that was given up was told {answer}"
        raise AssertionError(message)
    _granted(await b.acquire(_FAIR, 0, late=False))
    expect(await b.release(late=False, queued=False), True)
    await _forget(port, prefix)


@check()
async def racers_are_granted_one_by_one(port: Transport, prefix: str) -> None:
    """Of many who ask at once, one is granted the lock."""
    answers = list[Granted | Busy]()

    async def race(number: int) -> None:
        answers.append(await _holder(port, prefix, f"racer {number}").acquire(_TERMS, 0, late=False))

    await together(port, [partial(race, number) for number in range(_RACERS)])
    expect(sum(isinstance(answer, Granted) for answer in answers), 1)
    await _forget(port, prefix)


@check("can_block")
async def a_release_wakes_who_is_next(port: Transport, prefix: str) -> None:
    """Who listens is woken when its turn has come, and then gets the lock."""
    a, b, woken = _holder(port, prefix, "a"), _holder(port, prefix, "b"), list[Any]()
    _granted(await a.acquire(_TERMS, 0, late=False))
    _busy(await b.acquire(_TERMS, _QUEUE_MS, late=False), 1)

    async def listen() -> None:
        woken.append(await b.listen(DEADLINE))
        woken.append(isinstance(await b.acquire(_TERMS, _QUEUE_MS, late=False), Granted))

    async def release() -> None:
        expect(await a.release(late=False, queued=False), True)

    await together(port, [listen, release])
    await until(port, b.holds, "who was woken has the lock")
    expect(woken, [True, True])
    expect(await b.release(late=False, queued=False), True)
    await _forget(port, prefix)


CHECKS = (
    a_lock_has_one_holder,
    fences_are_above_what_a_ledger_knows,
    who_waits_is_next,
    what_was_given_up_takes_nothing,
    racers_are_granted_one_by_one,
    a_release_wakes_who_is_next,
)
