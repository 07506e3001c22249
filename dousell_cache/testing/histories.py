"""Random histories: many processes, one cache, and no read older than an acknowledged invalidation.

It runs against any server, yours included, whose other keys it leaves alone::

    python -m dousell_cache.testing.histories --histories 10000 --seeds 5

Threads and tasks in four processes read, load, set and invalidate a few keys, by key, tag and prefix, softly and for
good, with slow and failing loaders. Meanwhile the server loses single names, and a process stands still for longer than
its lease. Every value carries the version that it was loaded from; see :mod:`.history_checker` for what must hold. With
a guard switched off (``without``) the same run must find reads that are too old, else it proves nothing.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from ..environments import Environment, rest
from ..errors import ConfigurationError
from ..transport.connect import locate
from .history_checker import Breach, Event, Reading, Withdrawing, check, judged
from .history_crew import Crew
from .history_worker import controls


class Report(msgspec.Struct, frozen=True):
    """What a run of histories came to.

    Args:
        environment: the server.
        seeds: the seeds.
        processes: how many took part.
        histories: how many were played.
        reads: how many reads there were.
        unjudged: those of them that bypassed the cache: the promise does not cover them.
        invalidations: how many were acknowledged, ``set`` included.
        unconfirmed: how many were not.
        loads: how often a loader returned a value.
        failures: how often it raised.
        evictions: how many names the server lost.
        pauses: how often a process stood still.
        seconds: how long it took.
        outcomes: how the reads ended.
        breaches: the reads that were too old, each with its seed and the number of its history.
    """

    environment: str
    seeds: tuple[int, ...]
    processes: int
    histories: int = 0
    reads: int = 0
    unjudged: int = 0
    invalidations: int = 0
    unconfirmed: int = 0
    loads: int = 0
    failures: int = 0
    evictions: int = 0
    pauses: int = 0
    seconds: float = 0.0
    outcomes: dict[str, int] = msgspec.field(default_factory=dict)
    breaches: tuple[tuple[int, int, Breach], ...] = ()

    def __str__(self) -> str:
        told = (
            f"{self.histories} histories over {len(self.seeds)} seeds on {self.environment}, {self.seconds:.0f} s: "
            f"{self.reads} reads ({self.unjudged} of them past the cache), {self.invalidations} invalidations "
            f"({self.unconfirmed} more not confirmed), {self.loads} loads ({self.failures} more failed), "
            f"{self.evictions} evictions, {self.pauses} pauses: {len(self.breaches)} reads too old\n"
            f"reads by outcome: {', '.join(f'{count} {outcome}' for outcome, count in sorted(self.outcomes.items()))}"
        )
        stories = (
            f"\nseed {seed}, history {number}:\n  " + "\n  ".join(one.story) for seed, number, one in self.breaches
        )
        return "\n".join((told, *stories))


def run_histories(
    histories: int = 10_000,
    seeds: Sequence[int] = (1, 2, 3, 4, 5),
    *,
    target: str | Environment = "embedded",
    processes: int = 4,
    without: str = "",
) -> Report:
    """Play random histories in several processes and check every read.

    A script that calls this needs ``if __name__ == "__main__":``, because the processes import it.

    Args:
        histories: how many in all; default 10 000, some minutes on two cores.
        seeds: what their programs are drawn from, in equal shares. What meets what is up to the machine.
        target: a server as for :func:`dousell_cache.connect`; default the embedded one.
        processes: how many take part; half of them block and half are asynchronous.
        without: a guard to switch off, one of :func:`.history_worker.controls`; default none.

    Raises:
        ValueError: an argument makes no sense.
        MeasurementFailed: a process ended early or does not end.
    """
    if min(histories, processes, len(seeds)) < 1:
        message = f"histories, processes and seeds must be at least 1, not {histories}, {processes} and {len(seeds)}"
        raise ConfigurationError(message)
    if without and without not in controls():
        message = f"there is no guard {without!r} to switch off, but {', '.join(controls())}"
        raise ConfigurationError(message)
    place, started = locate(target), time.monotonic()
    figures, outcomes, breaches = Counter[str](), Counter[str](), []
    try:
        for nth, seed in enumerate(seeds):
            share = len(range(nth, histories, len(seeds)))
            with Crew(place.environment, seed, share, processes, without) as crew:
                for number, events in crew.play():
                    figures.update(_figures(events))
                    outcomes.update(event.outcome for event in events if isinstance(event, Reading))
                    breaches += [(seed, number, breach) for breach in check(events)]
            figures["pauses"] += crew.pauses
    finally:
        place.release()
    return Report(
        place.environment.emulated or place.environment.address,
        tuple(seeds),
        processes,
        seconds=time.monotonic() - started,
        outcomes=dict(outcomes),
        breaches=tuple(breaches),
        **figures,
    )


_FIGURE_OF = {"loaded": "loads", "failed to load": "failures", "evicted": "evictions"}


def _figures(events: Iterable[Event]) -> Iterator[str]:
    yield "histories"
    for event in events:
        if isinstance(event, Reading):
            yield from ("reads",) if judged(event) else ("reads", "unjudged")
        elif isinstance(event, Withdrawing):
            yield "invalidations" if event.confirmed else "unconfirmed"
        elif event.what in _FIGURE_OF:
            yield _FIGURE_OF[event.what]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line and return its exit code: 0 if every read was right, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m dousell_cache.testing.histories", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--histories", type=int, default=10_000, metavar="N", help="how many in all (default 10000)")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="over how many seeds (default 5)")
    parser.add_argument("--first-seed", type=int, default=1, metavar="N", help="the first of them (default 1)")
    parser.add_argument("--processes", type=int, default=4, metavar="N", help="how many processes (default 4)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--url", default="embedded", help="a server's URL (default: the embedded Valkey)")
    where.add_argument("--rest", action="store_true", help="over REST, to the Upstash emulator on this machine")
    parser.add_argument("--without", default="", metavar="GUARD", help="switch a guard off, which must be found out")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    options = parser.parse_args(arguments)
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    with _target(options.url, over_rest=options.rest) as target:
        report = run_histories(
            options.histories, seeds, target=target, processes=options.processes, without=options.without
        )
    print(msgspec.json.encode(report).decode() if options.json else report)  # noqa: T201 - a command line
    return 1 if report.breaches else 0


@contextmanager
def _target(url: str, *, over_rest: bool) -> Iterator[str | Environment]:
    if not over_rest:
        yield url
        return
    from ..local import cloud

    with cloud() as servers:
        yield rest(servers.upstash_url, servers.upstash_token, emulated="Upstash (emulated)")


if __name__ == "__main__":
    sys.exit(main())
