"""One process of a chaos ledger: it pays and books under a lock, and is killed or stopped at a step of its own.

A signal that a process sends itself comes at a step that the seed names, not when the machine happens to deliver it.
"""

import os
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import uuid4

import msgspec
import psycopg

from ..errors import LockBusy, LockLost, LockUnavailable
from .ledger_locks import Bench, Hold, Locks
from .ledger_log import LogWriter, What
from .ledger_subjects import Subject

_STEPS = 12  # about as many as an attempt has
_SLOW = 0.03  # share of bodies that take longer than the lock lasts, as a payment service that answers late does
_SPARE_SECONDS = 1.0  # of a sweep, before it gives up
_SET_BACK = 3600.0  # seconds: what a stop does to this process's wall clock
_ENTER = "select unpaid, claimed, stale, reference from chaos.enter(%s, %s, %s, %s)"
_CHARGE = "select chaos.charge(%s, %s, %s, %s, %s)"
_PAID = """
    select name, period from chaos.rows where ledger <> 'charged' group by 1, 2 having count(distinct ledger) = 3
"""
_PAY = "select paid, stale from chaos.pay(%s, %s, %s, %s, %s, %s, %s)"


class Setting(msgspec.Struct, frozen=True):
    """What every process of a trial is told.

    Args:
        subject: the lock and its pressure.
        seed: what is drawn from.
        url: the lock server, by way of the proxy.
        bank: the ledgers.
        log: the event log.
        attempts: how many each process makes; 0 for as many as there is time for.
        seconds: when to end at the latest.
    """

    subject: Subject
    seed: int
    url: str
    bank: str
    log: str
    attempts: int
    seconds: float


@dataclass
class Fate:
    """What becomes of one attempt: nothing, a kill or a stop, at one of its steps.

    Args:
        signum: the signal, 0 for none.
        at: the step, by number or by name.
    """

    signum: int = 0
    at: int | str = 0
    _steps: int = 0

    def due(self, step: str) -> bool:
        """Tell whether this is the step, which it is only once."""
        self._steps += 1
        due = bool(self.signum) and self.at in (self._steps, step)
        if due:
            self.at = 0
        return due


class Worker:
    """A process that pays and books.

    Args:
        setting: the trial's.
        process: its number; the one after the last is the sweeper, whom nothing befalls.
        progress: how many attempts each process has begun; the last word tells them to end when it is not 0.
        log: where it writes what happens.
    """

    def __init__(self, setting: Setting, process: int, progress: Any, log: LogWriter) -> None:
        self._setting, self._process, self._progress, self._log = setting, process, progress, log
        self._pressure = setting.subject.pressure
        self._fate = Fate()
        self._stops = 0
        self._errand: dict[str, Any] = {}
        bench = Bench(setting.url, self._pressure.ttl, self.step, self._wall, process)
        self._locks: Locks = setting.subject.locks(bench)
        self._bank = psycopg.connect(setting.bank, autocommit=True, prepare_threshold=1)

    def work(self, until: float) -> None:
        """Make attempts until they or the time are over, or whoever started this process is gone."""
        parent = os.getppid()
        while time.monotonic() < until and os.getppid() == parent and not self._progress[-1]:
            number = self._progress[self._process]
            if self._setting.attempts and number >= self._setting.attempts:
                return
            self._attempt(number)

    def sweep(self) -> None:
        """Pay whatever is left to pay; give up when no lock could be had for longer than anybody may keep it."""
        self._chance = random.Random(f"{self._setting.seed} sweep")  # noqa: S311 - nothing secret
        patience = self._pressure.ttl + self._pressure.linger + _SPARE_SECONDS
        missing, until = self._missing(), time.monotonic() + patience
        while missing and time.monotonic() < until:
            for name, period in missing:
                self._errand_of(name, period)
                self._try(0.0)
            before, missing = missing, self._missing()
            if len(missing) < len(before):
                until = time.monotonic() + patience

    def step(self, name: str) -> None:
        """Come to a step, where this process may end or stand still."""
        if self._fate.due(name):
            self._strike(name)

    def _strike(self, step: str) -> None:
        killed = self._fate.signum == signal.SIGKILL
        self._note("killed" if killed else "stopped", detail=step)
        os.kill(os.getpid(), self._fate.signum)
        self._stops += 1
        self._note("continued")

    def _wall(self) -> float:
        return time.time() - self._stops * _SET_BACK

    def _attempt(self, number: int) -> None:
        self._chance = chance = random.Random(f"{self._setting.seed} {self._process} {number}")  # noqa: S311 - nothing secret
        name, period = self._drawn(chance)
        self._fate = self._drawn_fate(chance)
        self._errand_of(name, period)
        self._try(self._pressure.ttl * 1.5 if chance.random() < self._pressure.wait else 0.0)
        if self._fate.at and isinstance(self._fate.at, int):
            self._strike("end")

    def _drawn(self, chance: random.Random) -> tuple[str, int]:
        """Draw what to pay: often what the others try to pay, too."""
        names, begun = self._pressure.names, sum(self._progress[:-1])
        hot = names[begun // self._pressure.processes % len(names)]
        name = hot if chance.random() < self._pressure.together else chance.choice(names)
        return name, begun // (len(names) * self._pressure.turnover)

    def _drawn_fate(self, chance: random.Random) -> Fate:
        pressure, drawn = self._pressure, chance.random()
        at = pressure.where or chance.randint(1, _STEPS)
        if drawn < pressure.kill:
            return Fate(signal.SIGKILL, at)
        return Fate(signal.SIGSTOP, at) if drawn < pressure.kill + pressure.stop else Fate()

    def _errand_of(self, name: str, period: int) -> None:
        self._errand = {"attempt": self._progress[self._process], "name": name, "period": period}
        self._progress[self._process] += 1

    def _try(self, wait: float) -> None:
        self._note("asked")
        self.step("asked")
        try:
            hold = self._locks.acquire(self._errand["name"], wait, renew=self._chance.random() < self._pressure.renew)
        except LockBusy:
            return self._note("busy")
        except LockUnavailable:
            return self._note("unavailable")
        self._errand |= {"token": hold.token, "fence": hold.fence or 0}
        self._note("granted" if hold.confirmed else "unavailable", left=hold.left())
        self.step("granted")
        try:
            self._body(hold)
        except LockLost:
            self._note("lost")
        except LockUnavailable:
            self._note("unavailable")
        self._let_go(hold)
        return None

    def _body(self, hold: Hold) -> None:
        unpaid, reference = self._enter(hold)
        if not unpaid:
            return
        time.sleep(self._thinking(self._chance))
        if reference:
            self._charge(reference)
        if self._chance.random() < 0.5:
            hold.ensure()
        self._pay(hold, unpaid, reference)

    def _enter(self, hold: Hold) -> tuple[list[str], str | None]:
        """See what is left to pay, and claim it."""
        errand = self._errand
        key = f"{errand['name']} {errand['period']}" if self._chance.random() < 0.5 else f"click {uuid4()}"
        unpaid, claimed, stale, reference = self._asked(_ENTER, errand["name"], errand["period"], hold.fence, key)
        self._note("entered", left=hold.left(), detail=" ".join(unpaid))
        if claimed:
            self._note("claimed")
        if stale:
            self._note("refused", detail="claim")
        self.step("entered")
        return unpaid, reference if claimed else None

    def _charge(self, reference: str) -> None:
        errand = self._errand
        if self._asked(_CHARGE, reference, errand["name"], errand["period"], self._process, errand["attempt"])[0]:
            self._note("charged", detail=reference)
        self.step("charged")

    def _pay(self, hold: Hold, unpaid: list[str], reference: str | None) -> None:
        errand, fence = self._errand, hold.mint()
        self._note("paying", left=hold.left())
        self.step("paying")
        arguments = unpaid, errand["name"], errand["period"], fence, reference, self._process, errand["attempt"]
        paid, stale = self._asked(_PAY, *arguments)
        self._note("refused" if stale else "paid", detail=" ".join(sorted(paid)))
        self.step("paid")

    def _asked(self, query: LiteralString, *arguments: Any) -> Any:
        return self._bank.execute(query, arguments).fetchone()

    def _thinking(self, chance: random.Random) -> float:
        if self._pressure.stop and not self._pressure.where and chance.random() < _SLOW:
            return self._pressure.ttl * 1.2
        return min(chance.expovariate(1 / self._pressure.think), self._pressure.ttl / 2)

    def _let_go(self, hold: Hold) -> None:
        self._note("releasing")
        try:
            hold.release()
        except LockLost:
            return self._note("lost")
        except LockUnavailable:
            return self._note("unavailable")
        self._note("released")
        return self.step("released")

    def _note(self, what: What, **more: Any) -> None:
        self._log.note(what, process=self._process, **self._errand, **more)

    def _missing(self) -> list[tuple[str, int]]:
        last = sum(self._progress[:-1]) // (len(self._pressure.names) * self._pressure.turnover)
        rows = self._bank.execute(_PAID)
        whole = {(name, period) for name, period in rows}
        return [errand for errand in self._wanted(last) if errand not in whole]

    def _wanted(self, last: int) -> Iterator[tuple[str, int]]:
        yield from ((name, period) for period in range(last + 1) for name in self._pressure.names)
