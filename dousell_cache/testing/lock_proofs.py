"""What is proved of locks, and of the ledger behind them, with each guard switched off in turn."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..scripts import ACQUIRE, EXTEND, RELEASE
from .checkers import NobodyStuck, OneInside
from .explorer import NOTHING_OFF
from .lock_checkers import (
    BelievedNoLonger,
    FencesGrow,
    InOrder,
    LossesAreTold,
    NothingEndsByItself,
    NothingLeft,
    OnePayment,
    SomebodyPays,
)
from .lock_guards import (
    ABOVE,
    APART,
    ASKED,
    CLOCK,
    COMPARES,
    COUNTER,
    ENDS,
    EXTENDS,
    FAIL_OPEN,
    FAIR,
    GONE,
    HOLDS,
    LEAVES,
    LEAVES_QUEUE,
    LEAVES_TURN,
    LEAVING,
    LEFT_TURN,
    MINE,
    NEXT,
    NX,
    ONCE,
    OUTRUN,
    OUTWARDS,
    PASSED_BY,
    QUEUED,
    RELEASES,
    REMAKES,
    TOLD,
    TURNS,
)
from .lock_production import (
    COUNTED_TIME,
    EXTENSION,
    FENCING,
    IMPATIENT,
    NAME,
    RENEWAL,
    TIME,
    Ledger,
    ensures,
    keeps,
    measures,
    worker,
    works,
)
from .proving import Proof, run_again
from .scenario import NO_FAULTS, Faults, Scenario
from .story import Story

LOCK, FENCE, QUEUE, TURN = (f"{{{NAME}}}:{word}" for word in ("lock", "fence", "queue", "turn"))

_SCRIPTS = {script.text: f"{script.name}.lua" for script in (ACQUIRE, EXTEND, RELEASE)}
_SAFE = (OneInside(LOCK), FencesGrow(), OnePayment(), NobodyStuck())
_SOUND = (*_SAFE, LossesAreTold(LOCK), NothingLeft(LOCK, QUEUE, TURN))
_PROMPT = (*_SOUND, NothingEndsByItself(LOCK, QUEUE, TURN))
_ANYTHING = Faults(late=1, interrupts=1)
_ON_THE_WAY = _ANYTHING._replace(expiries=0, evictions=0, crashes=0)
_UNANSWERED = _ON_THE_WAY._replace(interrupts=0)
_EXPIRY = Faults(evictions=0, crashes=0, lost=0, refused=0)
_CRASH = Faults(expiries=0, evictions=0, lost=0, refused=0)
_TWO = Faults(2, 2, 2, 2, 2, 2, 2, 2)
_LONG = 3600.0
_JOINED = replace(EXTENSION, joined=True)


def replay(name: str, schedule: str, control: str = NOTHING_OFF.name) -> Story:
    """Run one schedule of a proof again, on a server of its own.

    Args:
        name: the proof's.
        schedule: as a story shows it.
        control: the guard that was switched off.
    """
    return run_again(PROOFS[name], schedule, control)


def _remembered(key: str) -> bool:
    """Tell whether something may be lost: a late command comes before the sign that it was given up is forgotten."""
    return ":gone:" not in key


def _may_end(key: str) -> bool:
    return key in (LOCK, TURN)


def _but_time(key: str) -> bool:
    """Tell whether something may be lost when more may be: without the counter and the clock, only a ledger knows."""
    return _remembered(key) and key != TIME


def _scenario(name: str, *actors: Any, **options: Any) -> Scenario:
    line = (
        f"from dousell_cache.testing.lock_proofs import replay; print(replay({name!r}, {{schedule!r}}, {{control!r}}))"
    )
    options = {
        "checkers": _SOUND,
        "faults": _ANYTHING,
        "expires": _may_end,
        "evicts": _remembered,
        "origin": Ledger(),
        **options,
    }
    again = f'python -c "{line}"'
    return Scenario(name, actors, rewrite=COUNTED_TIME, scripts=_SCRIPTS, again=again, **options)


def _workers(*names: str, **options: Any) -> list[Any]:
    return [worker(name, **options) for name in names]


_PROOFS = (
    Proof(_scenario("lock", *_workers("A", "B")), (NX, RELEASES, COUNTER, CLOCK, APART, COMPARES)),
    Proof(_scenario("extend", *_workers("A", "B", body=keeps)), (EXTENDS, REMAKES)),
    Proof(_scenario("ensure", *_workers("A", "B", body=ensures)), (HOLDS,)),
    Proof(
        _scenario("no answer", *_workers("A", "B"), checkers=(*_PROMPT, SomebodyPays()), faults=_UNANSWERED),
        (MINE, ASKED),
    ),
    Proof(
        _scenario("given up", *_workers("A", "B", patience=IMPATIENT), checkers=_PROMPT, faults=_ON_THE_WAY),
        (GONE, LEAVES, FAIL_OPEN),
    ),
    Proof(_scenario("woken", *_workers("A", "B", wait=_LONG), can_block=True), (ENDS, RELEASES, COMPARES)),
    Proof(_scenario("polling", *_workers("A", "B", wait=_LONG)), (ENDS, COUNTER)),
    Proof(_scenario("fair", *_workers("A", "B", wait=_LONG, fair=True)), (ENDS, APART)),
    Proof(
        _scenario(
            "waiting, given up",
            *_workers("A", "B", wait=_LONG, patience=IMPATIENT),
            can_block=True,
            checkers=_PROMPT,
            faults=_ON_THE_WAY,
        ),
        (GONE, LEAVES_QUEUE, QUEUED),
    ),
    Proof(
        _scenario(
            "fair, given up",
            *_workers("A", "B", wait=_LONG, fair=True, patience=IMPATIENT),
            checkers=_PROMPT,
            faults=_ON_THE_WAY,
        ),
        (GONE, LEAVES_TURN, QUEUED),
    ),
    Proof(
        _scenario(
            "out of time", *_workers("A", "B", wait=1), can_block=True, polls=9, checkers=_PROMPT, faults=_ON_THE_WAY
        ),
        (LEAVES_QUEUE, LEAVES_TURN),
    ),
    Proof(
        _scenario(
            "fair, out of time",
            *_workers("A", "B", wait=0.2, fair=True),
            polls=9,
            checkers=_PROMPT,
            faults=_ON_THE_WAY,
        ),
        (LEAVES_QUEUE, LEAVES_TURN),
    ),
    Proof(
        _scenario("renewal", worker("A", beside=(RENEWAL,)), worker("B", wait=_LONG)),
        (REMAKES, COMPARES),
    ),
    Proof(
        _scenario(
            "extension",
            *(worker("A", beside=(EXTENSION,), body=works), worker("B", wait=_LONG, body=works)),
            faults=Faults(),
        ),
        (REMAKES, LEAVING, TOLD),
    ),
    Proof(
        _scenario(
            "belief",
            worker("A", beside=(RENEWAL, _JOINED), body=works, after=measures),
            checkers=(*_SOUND, BelievedNoLonger()),
            faults=_UNANSWERED,
        ),
        (OUTWARDS,),
    ),
    Proof(
        _scenario(
            "new fences",
            worker("A", beside=(FENCING, replace(FENCING, name="other fencing")), body=works),
            faults=_UNANSWERED,
        ),
        (OUTRUN,),
    ),
    Proof(
        _scenario(
            "ledger ahead",
            *_workers("A", "B", wait=_LONG),
            origin=Ledger(fence=5),
            checkers=(*_PROMPT, SomebodyPays()),
            faults=_UNANSWERED,
        ),
        (ABOVE,),
    ),
    Proof(
        _scenario(
            "forgetful server",
            *_workers("A", "B"),
            evicts=lambda key: key in (LOCK, FENCE),
            checkers=(OnePayment(), NobodyStuck()),
            faults=Faults(2, expiries=1, evictions=2, crashes=0, lost=0, refused=0),
        ),
        (COUNTER, COMPARES),
    ),
    Proof(
        _scenario(
            "two faults",
            *_workers("A", "B"),
            evicts=_but_time,
            checkers=_SAFE,
            faults=_TWO,
        ),
        (COUNTER, COMPARES),
    ),
    Proof(
        _scenario(
            "made again",
            *_workers("A", "B", body=ensures),
            evicts=lambda key: key == LOCK,
            checkers=(*_SAFE, LossesAreTold(LOCK, all_told=False)),
            faults=Faults(2, crashes=0, lost=0, refused=0, late=1),
        ),
        (ONCE,),
    ),
    Proof(_scenario("three", *_workers("A", "B", "C")), (RELEASES, COMPARES)),
    Proof(
        _scenario(
            "three, woken",
            *_workers("A", "B", "C", wait=_LONG, body=works),
            can_block=True,
            preemptions=2,
            faults=_CRASH,
        ),
        (ENDS,),
    ),
    Proof(
        _scenario(
            "in order",
            *_workers("A", "B", "C", wait=_LONG, body=works),
            can_block=True,
            checkers=(*_PROMPT, InOrder()),
            faults=NO_FAULTS,
        ),
        (TURNS, NEXT),
    ),
    Proof(
        _scenario(
            "in order, fair",
            *_workers("A", "B", "C", wait=_LONG, fair=True, body=works),
            checkers=(*_SOUND, InOrder()),
            faults=_EXPIRY,
            expires=lambda key: key == LOCK,
        ),
        (FAIR,),
    ),
    Proof(
        _scenario(
            "dead waiter",
            *_workers("A", "B", "C", wait=_LONG, fair=True, body=works),
            faults=_CRASH._replace(total=2, crashes=2),
        ),
        (PASSED_BY,),
    ),
    Proof(
        _scenario(
            "turn left",
            *(*_workers("A", "B", wait=_LONG, body=works), worker("C", body=works)),
            setup=(("SET", TURN, "A-1A-2", "PX", 1000),),
            can_block=True,
            checkers=(*_PROMPT, InOrder(("A",))),
            faults=Faults(1, 0, 0, 0, 0, 0, 0, 1),
        ),
        (LEFT_TURN,),
    ),
    Proof(
        _scenario(
            "mixed",
            worker("A", wait=_LONG, fair=True, body=works),
            worker("B", wait=_LONG, body=works),
            worker("C", body=works),
            faults=Faults(),
        ),
        (RELEASES,),
    ),
    Proof(
        _scenario(
            "two faults, woken",
            *_workers("A", "B", wait=_LONG, body=works),
            can_block=True,
            evicts=_but_time,
            checkers=_SAFE,
            faults=Faults(2, 2, 2, 2, 2, 2, 0, 0),
        ),
        (COUNTER,),
    ),
    Proof(
        _scenario(
            "two faults, polling",
            *_workers("A", "B", wait=_LONG, body=works),
            evicts=_but_time,
            checkers=_SAFE,
            faults=_TWO._replace(interrupts=0),
        ),
        (COUNTER,),
    ),
    Proof(
        _scenario(
            "three, fair",
            *_workers("A", "B", "C", wait=_LONG, fair=True, body=works),
            preemptions=2,
            faults=_CRASH,
        ),
        (ENDS,),
    ),
)
PROOFS: Mapping[str, Proof] = {proof.scenario.name: proof for proof in _PROOFS}
"""Every proof, by the name of its scenario."""
