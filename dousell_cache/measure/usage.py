"""How many commands a workload takes, by kind: what :mod:`.cost` multiplies.

Sent is what this process's cache counted; executed is what the server counted meanwhile (``INFO commandstats``), the
commands inside scripts included and those of anybody else who used it at the same time. Where a server does not tell,
measure the same workload on a Valkey, which executes the same.
"""

import re
from collections.abc import Mapping

import msgspec

from ..dousell.site import Site
from ..environments import Environment
from ..errors import CacheError
from ..events import Counters
from ..transport.connect import async_transport
from .cost import FREE_OF_CHARGE, Traffic

_CALLS = re.compile(r"^cmdstat_([^:]+):calls=(\d{1,18})\b", re.MULTILINE)
_PATIENCE = 5.0
_OURS = frozenset({"client", "hello", "select"})  # what opens a connection, and no script ever calls


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a workload took.

    Args:
        requests: how many reads there were.
        sent: commands that the cache sent.
        executed: commands that the server executed, by kind; None where it does not tell.
        origin_calls: how often the origin was asked.
    """

    requests: int
    sent: int
    executed: dict[str, int] | None
    origin_calls: int

    @property
    def billed(self) -> int:
        """Commands that a bill may count: those executed, or sent where the server does not tell."""
        return sum(self.executed.values()) if self.executed is not None else self.sent

    @property
    def per_thousand(self) -> dict[str, float]:
        """Commands executed for 1,000 reads, by kind, most first; empty where the server does not tell."""
        kinds = sorted((self.executed or {}).items(), key=lambda kind: (-kind[1], kind[0]))
        return {name: 1000 * count / self.requests for name, count in kinds}

    def traffic(self, requests_per_month: float, *, answer_kb: float = 1.5, stored_gb: float = 0.05) -> Traffic:
        """Return what a month of such reads brings; see :class:`.cost.Traffic`."""
        return Traffic(
            requests=requests_per_month,
            commands_per_request=self.billed / self.requests,
            origin_calls_per_request=self.origin_calls / self.requests,
            answer_kb=answer_kb,
            stored_gb=stored_gb,
        )


class Meter:
    """Counts what a site's cache takes, from :meth:`start` on.

    Args:
        site: the open site.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._counters = Counters()
        self._executed: dict[str, int] | None = None

    async def start(self) -> "Meter":
        """Begin to count, and return this meter."""
        self._counters = self._site.cache.counters()
        self._executed = await command_counts(self._site.environment)
        return self

    async def usage(self) -> Usage:
        """Return what it took so far.

        Raises:
            ValueError: nothing was read meanwhile.
        """
        before, after = self._counters, self._site.cache.counters()
        now = await command_counts(self._site.environment)
        if after.reads == before.reads:
            message = "nothing was read since the meter was started"
            raise ValueError(message)
        told = None if self._executed is None or now is None else between(self._executed, now)
        loads = [after.misses - before.misses, after.refused - before.refused]
        loads += [after.bypasses - before.bypasses, after.errors - before.errors]
        return Usage(
            requests=after.reads - before.reads,
            sent=after.commands - before.commands,
            executed=told,
            origin_calls=sum(loads),
        )


async def command_counts(environment: Environment) -> dict[str, int] | None:
    """Return how often a server executed each command since it was started; None where it does not tell."""
    transport = async_transport(environment, _PATIENCE)
    try:
        told = await transport.send("INFO", "commandstats")
    except CacheError:
        return None
    finally:
        await transport.close()
    return read_counts(told.decode(errors="replace")) if isinstance(told, bytes) else None


def read_counts(text: str) -> dict[str, int] | None:
    """Read the section commandstats of ``INFO``; None when there is nothing in it."""
    return {name: int(calls) for name, calls in _CALLS.findall(text)} or None


def between(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Return what was executed between two readings, but for what is free of charge and what connecting costs."""
    left_out = FREE_OF_CHARGE | _OURS
    spent = {name: calls - before.get(name, 0) for name, calls in after.items()}
    return {name: calls for name, calls in spent.items() if calls > 0 and name.partition("|")[0] not in left_out}
