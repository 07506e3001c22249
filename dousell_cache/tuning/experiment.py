"""Live A/B of times to live: keys by hash into arms, sums of all processes in the cache server, a verdict at any time.

Every process counts its own reads and keeps its whole sums under its own name in one hash beside the cache: written
again after a lost reply they are the same, so nothing is counted twice, and a process that is gone has left its part.
"""

import asyncio
import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..async_cache import AsyncCache
from ..cache import Cache
from ..errors import CacheError, CacheUnavailable, ConfigurationError
from ..events import Event, Read, Write, family
from ..policy import checked_key, ttl_ms
from ..runner import run_blocking
from .arms import NOTHING, Phase, Place, Sums, Table, added, place, sums_of
from .verdicts import Guardrails, Verdict, judged, tripped

logger = logging.getLogger("dousell_cache")

_MOST_PLACES = 100_000


@dataclass(frozen=True, slots=True)
class Design:
    """What every process of an experiment must agree on.

    Args:
        name: the experiment's.
        arms: seconds by arm; the first is the one to compare with.
        family: the keys that take part.
        lead_in: seconds in which every arm has the first one's TTL.
    """

    name: str
    arms: Mapping[str, float]
    family: str
    lead_in: float

    @property
    def settled(self) -> float:
        """Return the seconds after which reads count again: what was stored in the lead-in has expired by then."""
        return self.lead_in + (max(self.arms.values()) if self.lead_in else 0.0)

    def __str__(self) -> str:
        return json.dumps([dict(self.arms), self.family, self.lead_in])


class _Experiment:
    """What both faces share: arms, counting, and what is made of everybody's sums."""

    _clock = staticmethod(time.time)  # the wall's: processes of several machines share it, more or less

    def __init__(
        self,
        name: str,
        arms: Mapping[str, float],
        cache: Cache | AsyncCache,
        *,
        family: str,
        lead_in: float = 86_400.0,
        margin: float = 0.01,
        guardrails: Guardrails | None = None,
        every: float = 5.0,
    ) -> None:
        self.design = _design(name, arms, family, lead_in)
        if not 0 < margin < 1:
            raise ConfigurationError(f"margin must be a share of the reads between 0 and 1, not {margin!r}")
        if not every > 0:
            raise ConfigurationError(f"every must be seconds above 0, not {every!r}")
        self._names = tuple(arms)
        self._ttls = tuple(arms.values())
        self._margin = margin
        self._guardrails = guardrails or Guardrails()
        self._every = every
        self._cache = cache
        self._key = f"{cache.namespace}experiment:{name}"
        self._started: float | None = None
        self._is_known = False
        self._stopped: dict[str, str] = {}
        self._elsewhere: Table = {}
        self._unsubscribe: Callable[[], None] | None = None
        self._begin_anew()

    def arm(self, key: str) -> str:
        """Return the arm that a key is in: always the same one, in every process."""
        return self._names[self._place(key).arm]

    def ttl(self, key: str) -> float:
        """Return the seconds to keep a key for: ``cache.get_or_set(key, load, ttl=experiment.ttl(key))``.

        The first arm's until the lead-in is over, before the first :meth:`sync`, and for arms that were stopped.
        """
        number = self._place(key).arm
        if self._since_start() < self.design.lead_in or self._names[number] in self._stopped:
            return self._ttls[0]
        return self._ttls[number]

    @property
    def stopped(self) -> Mapping[str, str]:
        """Return the arms that a guardrail stopped, and why."""
        return dict(self._stopped)

    def verdicts(self) -> list[Verdict]:
        """Return what is known of each arm beside the first; may be asked as often as one likes."""
        return judged(self._table(), self._names, self._margin, self._stopped)

    def _table(self) -> Table:
        with self._lock:
            return added((self._elsewhere, self._sums))

    def _observe(self, event: Event) -> None:
        if not isinstance(event, (Read, Write)) or family(event.key) != self.design.family:
            return
        if os.getpid() != self._process_id:
            self._begin_anew()
        seconds = self._since_start()
        if self._started is None or self.design.lead_in <= seconds < self.design.settled:
            return
        sums = sums_of(event)
        if sums == NOTHING:
            return
        arm, cluster = self._place(event.key)
        at: tuple[Phase, int, int] = ("before" if seconds < self.design.lead_in else "during", arm, cluster)
        with self._lock:
            self._sums[at] = self._sums.get(at, NOTHING) + sums

    def _place(self, key: str) -> Place:
        known = self._places.get(key)
        if known is None:
            if len(self._places) >= _MOST_PLACES:
                self._places.clear()
            known = self._places[key] = place(key, self.design.name, len(self._names))
        return known

    def _since_start(self) -> float:
        return -1.0 if self._started is None else self._clock() - self._started

    def _begin_anew(self) -> None:
        """Count from nothing, under a name of this process's own: what a parent counted is the parent's to tell."""
        self._process_id = os.getpid()
        self._process = f"sums:{secrets.token_hex(8)}"
        self._lock = threading.Lock()
        self._sums: Table = {}
        self._places: dict[str, Place] = {}

    async def _exchange(self) -> None:
        """Learn everybody's sums and tell this process's; two commands, two more the first time.

        Raises:
            CacheUnavailable: no server answered; the sums are told the next time.
            ConfigurationError: another process runs an experiment of this name with other arms.
        """
        send = self._cache._port.send  # noqa: SLF001 - what is kept beside entries has no public command
        if not self._is_known:
            await send("HSETNX", self._key, "design", str(self.design))
            await send("HSETNX", self._key, "started", repr(self._started or self._clock()))
        told: Any = await send("HGETALL", self._key)
        words = {told[at].decode(): told[at + 1].decode() for at in range(0, len(told), 2)}
        self._is_known = "design" in words
        if not self._is_known:  # the server lost it: the next exchange tells all of it once more
            return
        self._learn(words)
        with self._lock:
            mine = _encoded(self._sums)
        await send("HSET", self._key, self._process, mine)
        for arm, reason in tripped(self._table(), self._names, self._guardrails).items():
            if arm not in self._stopped:
                logger.warning("experiment %s: arm %s was stopped: %s", self.design.name, arm, reason)
                self._stopped[arm] = reason
                await send("HSETNX", self._key, f"stopped:{arm}", reason)

    def _learn(self, told: Mapping[str, str]) -> None:
        if told["design"] != str(self.design):
            name, design = self.design.name, told["design"]
            message = f"experiment {name!r} runs already, as {design}: take another name, or forget that one"
            raise ConfigurationError(message)
        self._started = float(told["started"])
        self._stopped = {name[8:]: reason for name, reason in told.items() if name.startswith("stopped:")}
        others = (text for name, text in told.items() if name.startswith("sums:") and name != self._process)
        elsewhere = added(map(_decoded, others))
        with self._lock:
            self._elsewhere = elsewhere

    def _could_not_exchange(self, error: CacheError) -> None:
        logger.warning("experiment %s could not exchange its sums: %s", self.design.name, error)

    async def _forget(self) -> None:
        await self._cache._port.send("DEL", self._key)  # noqa: SLF001 - as above


class Experiment(_Experiment):
    """An A/B of TTLs in production, for the blocking face; several processes may serve one.

    Args:
        name: the experiment's: keys are hashed with it, and its state is kept under it.
        arms: seconds by arm, such as ``{"300s": 300, "60s": 60}``; the first is what the others are compared with.
        cache: where the keys are, and the state.
        family: the keys that take part: those with this before their first colon.
        lead_in: seconds in which every arm has the first one's TTL, so that it is known how the keys of the arms differ
            anyway; default a day. 0 does without, and takes far more traffic.
        margin: the difference in hit rate that does not matter, as a share of the reads; default 0.01.
        guardrails: what stops an arm; default :class:`Guardrails`.
        every: seconds between two exchanges with the other processes; default 5.

    Raises:
        ConfigurationError: an argument makes no sense.
    """

    _cache: Cache

    def start(self) -> None:
        """Join the experiment, count from now on, and exchange sums in a thread until :meth:`close`."""
        try:
            self.sync()
        except CacheUnavailable as error:
            self._could_not_exchange(error)
        self._unsubscribe = self._cache.subscribe(self._observe)
        self._start_thread()

    def sync(self) -> None:
        """Exchange sums now.

        Raises:
            CacheUnavailable: no server answered.
            ConfigurationError: another process runs an experiment of this name with other arms.
        """
        run_blocking(self._exchange())

    def close(self) -> None:
        """Stop counting, and tell what was counted."""
        if self._unsubscribe:
            self._unsubscribe()
            self._stop.set()
            self._thread.join()
            self._unsubscribe = None
        self.sync()

    def forget(self) -> None:
        """Delete the experiment's state: of every process, for ever."""
        run_blocking(self._forget())

    def _begin_anew(self) -> None:
        super()._begin_anew()
        if self._unsubscribe:  # in a forked child, whose parent's thread is not there
            self._start_thread()

    def _start_thread(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dousell-cache experiment", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            try:
                self.sync()
            except CacheError as error:
                self._could_not_exchange(error)


class AsyncExperiment(_Experiment):
    """An A/B of TTLs in production, for asyncio; see :class:`Experiment`, whose names it has, awaited."""

    _cache: AsyncCache

    async def start(self) -> None:
        """Join the experiment, count from now on, and exchange sums in a task until :meth:`close`."""
        try:
            await self.sync()
        except CacheUnavailable as error:
            self._could_not_exchange(error)
        self._unsubscribe = self._cache.subscribe(self._observe)
        self._task = asyncio.create_task(self._run())

    def sync(self) -> Awaitable[None]:
        """Exchange sums now; see :meth:`Experiment.sync`."""
        return self._exchange()

    async def close(self) -> None:
        """Stop counting, and tell what was counted."""
        if self._unsubscribe:
            self._unsubscribe()
            self._task.cancel()
            await asyncio.wait([self._task])
            self._unsubscribe = None
        await self.sync()

    async def forget(self) -> None:
        """Delete the experiment's state: of every process, for ever."""
        await self._forget()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            try:
                await self.sync()
            except CacheError as error:
                self._could_not_exchange(error)


def _design(name: str, arms: Mapping[str, float], family: str, lead_in: float) -> Design:
    checked_key(name, "experiment")
    checked_key(family, "family")
    if not isinstance(arms, Mapping) or len(arms) < 2:
        message = f"arms must be at least two TTLs by name, such as {{'300s': 300, '60s': 60}}, not {arms!r}"
        raise ConfigurationError(message)
    for seconds in arms.values():
        ttl_ms(seconds)
    if not lead_in >= 0:
        raise ConfigurationError(f"lead_in must be 0 seconds or more, not {lead_in!r}")
    return Design(name, dict(arms), family, float(lead_in))


def _encoded(sums: Table) -> str:
    return json.dumps([[*at, *one] for at, one in sums.items()], separators=(",", ":"))


def _decoded(text: str) -> Table:
    return {(phase, arm, cluster): Sums(*one) for phase, arm, cluster, *one in json.loads(text)}
