"""What watching costs once the figures are there: a day of samples judged, kept and drawn, a thousand runs listed.

Run as ``python -m benchmarks.alerts [--rounds 5]``; docs/decisions/0016 quotes its figures. Each is the median of the
rounds, first of the time that it took, then of the processor time in it; imports are not in it.
"""

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import msgspec

from dousell_cache.measure.kpis import KPIS, judge
from dousell_cache.measure.result import Result, this_host
from dousell_cache.measure.stats import Interval
from dousell_cache.monitor.alert_book import take
from dousell_cache.monitor.alert_file import InFile
from dousell_cache.monitor.alert_rules import rules
from dousell_cache.monitor.alerts import State, alerts, step
from dousell_cache.monitor.figures import (
    ApplicationFigures,
    NodeFigures,
    ProcessFigures,
    Sample,
    ServerDelta,
    ServerFigures,
)
from dousell_cache.reporting import index, monitor_figures
from dousell_cache.reporting.history import read_runs
from dousell_cache.reporting.listing import entries
from dousell_cache.reporting.record import EnvironmentRecord, NotebookRecord, Results, Run, encode
from dousell_cache.reporting.retention import Rules, look
from dousell_cache.reporting.retention import judge as judge_runs
from dousell_cache.reporting.trends import trends

RULES = rules()
DAY = 86_400
RUNS = 1000


def a_day(gap: int) -> list[Sample]:
    """Return a day of samples, one each so many seconds, with a bad night in it, and the alerts of each."""
    samples, states = [], dict[str, State]()
    for second in range(0, DAY, gap):
        sample = _sample(second)
        states, _ = step(states, sample, RULES)
        samples.append(msgspec.structs.replace(sample, alerts=tuple(alerts(states, sample, RULES))))
    return samples


def _sample(second: int) -> Sample:
    bad = math.exp(-(((second - DAY / 2) / 4_000) ** 2))
    rate, p95 = 0.93 - 0.2 * bad, 20 + 200 * bad
    everything = ApplicationFigures(
        environment="dedicated",
        outcomes={"hit": round(1000 * rate), "miss": round(1000 * (1 - rate))},
        hit_rate=Interval(rate, rate - 0.02, rate + 0.02, 1000),
        p95_ms=Interval(p95, 0.9 * p95, 1.1 * p95, 1000),
    )
    families = [msgspec.structs.replace(everything, family=f"family{number}") for number in range(20)]
    gauges = {"maxmemory": 2.0**30, "used_memory": (0.6 + 0.35 * bad) * 2**30, "connected_slaves": 1.0}
    return Sample(
        at=time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(1_795_000_000 + second)),
        environment="dedicated",
        cache="redis://cache.example:6379",
        server=ServerFigures(nodes=(NodeFigures(role="master", uptime_seconds=1e6, gauges=gauges),)),
        delta=ServerDelta(60.0, {"evicted_keys": round(9 * bad)}),
        application=(everything, *families),
        processes=(ProcessFigures(environment="dedicated"),),
    )


def draw(samples: Sequence[Sample]) -> None:
    """Draw every picture of a monitor."""
    monitor_figures.hit_rate_over_time(samples, alert=0.8)
    monitor_figures.p95_over_time(samples)
    monitor_figures.memory_over_time(samples)
    monitor_figures.evictions_over_time(samples)
    monitor_figures.alerts_over_time(samples)


def a_thousand_runs(out: Path) -> None:
    """Leave a thousand runs in two environments each."""
    figures = {name: Interval(KPIS[name].target, 0.5, 60.0, 2000) for name in ("hit_rate", "p50_ms", "p95_ms")}
    result = Result(
        notebook="01_measure_cache_aside",
        environment="any",
        cache="redis://127.0.0.1:6379",
        origin="Supabase",
        emulated=[],
        started="2026-11-22T19:30:00+00:00",
        seconds=20.0,
        parameters={},
        figures=figures,
        verdicts=[judge(KPIS[name], figure) for name, figure in figures.items()],
    )
    notebooks = {result.notebook: NotebookRecord(status="ok", result=result)}
    record = EnvironmentRecord(
        status="ok",
        reason=None,
        verdict="inconclusive",
        emulated=[],
        figures=figures,
        samples=2000,
        notebooks=notebooks,
    )
    for number in range(RUNS):
        run_id = f"20261122T{number // 3600:02d}{number // 60 % 60:02d}{number % 60:02d}Z-{number:04x}"
        facts = Run(
            id=run_id,
            started=result.started,
            finished=result.started,
            profile="quick",
            notebooks=list(notebooks),
            parameters={},
            command="dousell-cache report",
            host=this_host(),
            commit=None,
        )
        environments = {"local": record, "vercel": record}
        (out / run_id).mkdir()
        (out / run_id / "results.json").write_bytes(
            encode(Results(run=facts, verdict="inconclusive", exit_code=5, environments=environments))
        )


def timed(work: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Return the medians of so many rounds, in seconds: of the time, and of the processor time."""
    times, processor = [], []
    for _ in range(rounds):
        began, busy = time.perf_counter(), time.process_time()
        work()
        times.append(time.perf_counter() - began)
        processor.append(time.process_time() - busy)
    return median(times), median(processor)


def parts(folder: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what is measured, by name."""
    minutes, seconds = a_day(60), a_day(5)
    yield f"draw a day of {len(minutes):,} samples, five pictures", lambda: draw(minutes)
    yield f"draw a day of {len(seconds):,} samples, five pictures", lambda: draw(seconds)
    yield "judge a day of 1,440 samples", lambda: a_day(60)
    following, kept = iter(minutes), InFile(folder / "alerts.json")
    yield "judge and keep one sample in a file", lambda: take(next(following), kept, RULES)
    out = folder / "reports"
    out.mkdir()
    a_thousand_runs(out)
    yield f"list {RUNS:,} runs with trends", lambda: trends(list(entries(out)))
    yield f"read {RUNS:,} runs with pandas", lambda: read_runs(out)
    yield f"judge {RUNS:,} runs for pruning", lambda: judge_runs(look(out), Rules(keep=1), _now())
    yield f"write the page over {RUNS:,} runs", lambda: index.write(out)


def _now() -> datetime:
    return datetime.now(UTC)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.alerts", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often each is done")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, work in parts(Path(folder)):
            took, busy = timed(work, options.rounds)
            sys.stdout.write(f"{name:<48} {took * 1000:>9,.1f} ms {busy * 1000:>9,.1f} ms\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
