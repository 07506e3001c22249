"""What is put on trial, and how hard it is pressed: our lock everywhere, each naive one where it hurts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from .ledger_controls import (
    BelievesTheWall,
    CountsFromOne,
    DeletesWithoutToken,
    ExpiresApart,
    FailsOpen,
    IgnoresOwnToken,
    MintsApart,
    MintsNoFence,
    Plain,
    TokenPerInstance,
)
from .ledger_locks import Bench, Locks, ours

ANYWHERE = ""


@dataclass(frozen=True)
class Pressure:
    """What a lock has to stand.

    Args:
        processes: how many pay and book at the same time.
        rents: how many rents there are to pay, every month anew.
        calendars: how many properties there are to visit.
        ttl: seconds that a lock lasts.
        kill: share of attempts that are killed.
        stop: share of attempts that are stopped for ``pause``.
        where: the step at which they are; by default any.
        pause: how long, in lifetimes of a lock.
        lose: share of commands whose reply is lost.
        late: seconds by which a command may come late, long after its sender has given up.
        wipe: seconds from one loss of the server's memory to the next; 0.0 for never.
        restart: whether the server is killed and started again once.
        think: seconds that a body takes, at the mean.
        wait: share of attempts that wait for their turn.
        together: share of attempts for what the others are after, too.
        renew: share of attempts that keep their lock for as long as the body takes.
        linger: seconds, after a lock's lifetime, for which who ended badly may keep others out.
        turnover: attempts on each name before the next month begins.
    """

    processes: int = 8
    rents: int = 20
    calendars: int = 4
    ttl: float = 0.3
    kill: float = 0.05
    stop: float = 0.05
    where: str = ANYWHERE
    pause: float = 1.5
    lose: float = 0.02
    late: float = 0.0
    wipe: float = 3.0
    restart: bool = True
    think: float = 0.005
    wait: float = 0.3
    together: float = 0.5
    renew: float = 0.0
    linger: float = 5.0
    turnover: int = 4

    @property
    def names(self) -> tuple[str, ...]:
        """The locks."""
        rents = tuple(f"payment:lease{number}" for number in range(self.rents))
        return rents + tuple(f"visit:property{number}" for number in range(self.calendars))


@dataclass(frozen=True)
class Subject:
    """A lock on trial.

    Args:
        name: what it is called.
        story: what is wrong with it.
        locks: makes it.
        pressure: what it has to stand.
    """

    name: str
    story: str
    locks: Callable[[Bench], Locks]
    pressure: Pressure


_CROWD = Pressure(
    processes=4,
    rents=2,
    calendars=0,
    kill=0.0,
    stop=0.0,
    lose=0.0,
    wipe=0.0,
    restart=False,
    think=0.03,
    linger=0.1,
    turnover=8,
)


OURS = Subject("dousell_cache", "nothing, as far as we know", ours, Pressure(renew=0.15, late=0.6))
PLAIN = Subject("plain", "nothing: the lock that the controls are made from", Plain, Pressure(linger=0.2))
CONTROLS: Mapping[str, Subject] = {
    subject.name: subject
    for subject in (
        Subject(
            "DEL without token",
            "a release deletes whatever lock is there",
            DeletesWithoutToken,
            replace(_CROWD, stop=0.2, where="entered", wait=0.8, think=0.06),
        ),
        Subject(
            "SET, then PEXPIRE",
            "a holder killed between the two leaves a lock for ever",
            ExpiresApart,
            replace(_CROWD, kill=0.2, where="apart", rents=4),
        ),
        Subject("fail-open", "the body runs when the server cannot be asked", FailsOpen, replace(_CROWD, lose=0.2)),
        Subject(
            "no fence",
            "a paused holder's write cannot be told",
            MintsNoFence,
            replace(_CROWD, stop=0.3, where="paying"),
        ),
        Subject(
            "fence minted apart",
            "a paused holder draws the higher number",
            MintsApart,
            replace(_CROWD, stop=0.2, where="apart"),
        ),
        Subject(
            "ignores its own token",
            "after a lost reply its own lock keeps it out",
            IgnoresOwnToken,
            replace(_CROWD, lose=0.3, rents=100, together=0.0, wait=0.0, think=0.005),
        ),
        Subject(
            "wall clock",
            "a clock set back makes a lock last for hours",
            BelievesTheWall,
            replace(_CROWD, stop=0.3, where="charged", wait=0.8, think=0.06),
        ),
        Subject("token per instance", "two callers are taken for one", TokenPerInstance, _CROWD),
        Subject(
            "fences from one",
            "after a loss of memory fences begin anew, and the ledger refuses them",
            CountsFromOne,
            replace(_CROWD, wipe=0.3),
        ),
    )
}
