"""What a sample looks like on a terminal: made for 80 columns, and readable without colours."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ..measure.kpis import Kpi, Word, judge, kpis_in_force
from ..measure.stats import Interval
from .figures import ALL, ApplicationFigures, Reconciliation, Sample, ServerDelta, ServerFigures

MOST_FAMILIES = 12
"""Families shown; the rest is in ``--json``."""

_MARKS: dict[Word, tuple[str, str]] = {"pass": ("✓", "green"), "fail": ("✗", "red"), "inconclusive": ("~", "yellow")}
_KPIS = ("hit_rate", "p50_ms", "p95_ms")
_SLOW_SHOWN, _COMMANDS_SHOWN, _KEYS_SHOWN = 3, 5, 5


def view(sample: Sample) -> RenderableType:
    """Return what a sample looks like."""
    parts: list[RenderableType] = [*_alerts(sample)]
    if sample.problem:
        parts.append(Text(f"✗ the server cannot be seen: {sample.problem}", "bold red"))
    parts += _application(sample)
    if sample.server:
        parts += [_server(sample.server, sample.delta), *_commands(sample.server), *_keys(sample.server)]
    parts += _words(sample)
    emulated = f" · emulated: {sample.emulated}" if sample.emulated else ""
    title = f"{sample.environment} · {sample.cache or 'nowhere'}{emulated}"
    looked = f"{sample.at[:19].replace('T', ' ')} UTC · {sample.seconds * 1000:.0f} ms"
    return Panel(Group(*parts), title=title, subtitle=looked, title_align="left", subtitle_align="right")


def verdicts(sample: Sample) -> dict[str, Word]:
    """Return what the targets say of the environment's own reads, by figure; nothing where there are no reads."""
    row, kpis = sample.of(), kpis_in_force()
    figures = {name: getattr(row, name, None) for name in _KPIS}
    return {name: judge(kpis[name], figure).word for name, figure in figures.items() if isinstance(figure, Interval)}


def _alerts(sample: Sample) -> Iterator[Text]:
    for alert in sample.alerts:
        if alert.firing:
            yield Text(f"▲ {alert.name} since {alert.since[:16]}: {alert.message}", "bold red")


def _application(sample: Sample) -> Iterator[RenderableType]:
    whole = [row for row in sample.application if row.family == ALL]
    if not whole:
        yield Text(
            f"no process has flushed figures in the last {_hours(sample.hours)} {_under(sample.namespace)}: "
            "connect(figures=True) records them, each namespace its own",
            "yellow",
        )
        return
    for row in whole:
        yield _kpis(row, several=len(whole) > 1)
    families = [row for row in sample.application if row.family != ALL]
    if families:
        yield _families(families[:MOST_FAMILIES], several=len(whole) > 1)
        yield Text("coal.: coalesced, answered by another caller's load; bypass: by the origin, past the cache", "dim")
    if len(families) > MOST_FAMILIES:
        yield Text(f"and {len(families) - MOST_FAMILIES} more families", "dim")


def _kpis(row: ApplicationFigures, *, several: bool) -> Table:
    table = Table.grid(padding=(0, 2))
    label = f"{row.environment}: " if several else ""
    for name in _KPIS:
        figure, kpi = getattr(row, name), kpis_in_force()[name]
        if figure:
            word = judge(kpi, figure).word
            mark, colour = _MARKS[word]
            value = Text(_figure(figure, kpi.unit), f"bold {colour}")
            sign = {"above": ">", "below": "<"}.get(kpi.direction, "")
            target = f"target {sign} {_number(kpi.target, kpi.unit)}"
            table.add_row(
                Text(f"{mark} {word}", colour), label + kpi.label, value, Text(_ends(figure, kpi), "dim"), target
            )
    return table


def _families(rows: Sequence[ApplicationFigures], *, several: bool) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1), header_style="dim")
    table.add_column("family", no_wrap=True, max_width=20)
    for name in ("reads", "hit", "P50", "P95", "coal.", "stale", "bypass", "error"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        hit = _figure(row.hit_rate, "%") if row.hit_rate else "–"
        times = [_figure(figure, "ms") if figure else "–" for figure in (row.p50_ms, row.p95_ms)]
        others = [_percent(row.share(outcome)) for outcome in ("coalesced", "stale", "bypass", "error")]
        name = f"{row.environment} {row.family}" if several else row.family
        table.add_row(Text(name), f"{row.reads:,}", hit, *times, *others)
    return table


def _server(server: ServerFigures, moved: ServerDelta | None) -> Text:
    total = server.total
    gauges, told = total.gauges, [total.server or "server unknown"]
    if len(server.nodes) > 1:
        told.append(f"{len(server.nodes)} nodes")
    if total.uptime_seconds is not None:
        told.append(f"up {_duration(total.uptime_seconds)}")
    if "used_memory" in gauges:
        share = (
            f" ({total.memory_share:.0%} of {_bytes(gauges['maxmemory'])})" if total.memory_share is not None else ""
        )
        told.append(f"memory {_bytes(gauges['used_memory'])}{share}")
    for name, label in (("keys", "keys"), ("connected_clients", "clients"), ("instantaneous_ops_per_sec", "ops/s")):
        if name in gauges:
            told.append(f"{gauges[name]:,.0f} {label}")
    if moved:
        told += [f"{moved.counters[name]:,.0f} {label}" for name, label in _MOVED if moved.counters.get(name)]
    return Text("\n" + " · ".join(told))


_MOVED = (("evicted_keys", "evicted"), ("expired_keys", "expired"), ("rejected_connections", "refused"))


def _commands(server: ServerFigures) -> Iterator[Text]:
    busiest = sorted(server.total.commands.items(), key=lambda item: -item[1].seconds)[:_COMMANDS_SHOWN]
    if busiest:
        told = (f"{name} {figures.calls:,} × {_per_call(figures.calls, figures.seconds)}" for name, figures in busiest)
        yield Text("busiest: " + " · ".join(told), "dim")
    for entry in server.slow[:_SLOW_SHOWN]:
        where = f" in {entry.family}" if entry.family else ""
        yield Text(f"slow: {entry.command}{where} took {entry.ms:.1f} ms", "yellow")
    for spike in server.spikes:
        yield Text(f"stopped by {spike.cause}: {spike.latest_ms} ms, at most {spike.longest_ms} ms", "yellow")


def _keys(server: ServerFigures) -> Iterator[RenderableType]:
    if not server.sampled:
        return
    table = Table(box=None, pad_edge=False, padding=(0, 1), header_style="dim")
    for name in ("memory of", "≈ bytes", "≈ keys", "largest"):
        table.add_column(name, justify="left" if name == "memory of" else "right")
    for row in server.families[:MOST_FAMILIES]:
        table.add_row(Text(row.family), _bytes(row.bytes), f"{row.keys:,.0f}", _bytes(row.largest))
    yield table
    big = [f"{key.key} {_bytes(key.bytes or 0)}" for key in server.big[:_KEYS_SHOWN]]
    hot = [f"{key.key} {key.frequency} by LFU" for key in server.hot[:_KEYS_SHOWN]]
    for name, told in (("big", big), ("hot", hot)):
        if told:
            yield Text(f"{name} keys of {server.sampled} looked at: {', '.join(told)}", "dim")


def _words(sample: Sample) -> Iterator[Text]:
    for locks in sample.locks:
        told = ", ".join(f"{count} {outcome}" for outcome, count in locks.outcomes.items())
        yield Text(f"locks {locks.family}: {told}")
    for row in sample.processes:
        if row.breaker_opened:
            spent = f" for {row.breaker_open_seconds:.1f} s" if row.breaker_open_seconds else ""
            yield Text(f"✗ {row.environment}: taken for dead {row.breaker_opened} times{spent}", "red")
    for found in sample.staleness:
        if found.family == ALL:
            age = f", P95 age {_duration(found.age_p95_s.value)}" if found.age_p95_s else ""
            told = f"{found.environment}: {_figure(found.stale, '%')} of {found.checked} hits compared were stale{age}"
            yield Text(told, "red" if found.stale.value else "")
    if sample.reconciliation:
        yield _reconciled(sample.reconciliation)
    for gap in (*(sample.delta.gaps if sample.delta else ()),):
        yield Text(gap, "yellow")
    if sample.server and sample.server.unanswered:
        yield Text(f"not answered: {', '.join(sample.server.unanswered)}", "dim")


def _reconciled(found: Reconciliation) -> Text:
    if found.points is None:
        return Text("the server's count is compared once there are five minutes to compare", "dim")
    if found.explained:
        told = f"✓ the server's count is explained: {found.points:+.1f} points, {found.unexplained:+,} lookups"
        return Text(told, "green")
    return Text(f"✗ the server's hit rate is off by {found.points:+.1f} points: {found.cause}", "bold red")


def _figure(figure: Interval, unit: str) -> str:
    return _number(figure.value, unit)


def _number(value: float, unit: str) -> str:
    if unit == "%":
        return f"{value * 100:.1f} %"
    return f"{value * 1000:.3g} µs" if unit == "ms" and value < 1 else f"{value:.3g} {unit}"


def _ends(figure: Interval, kpi: Kpi) -> str:
    if figure.low is None or figure.high is None:
        return f"n = {figure.samples:,}, no interval"
    low, high = (_number(end, kpi.unit) for end in (figure.low, figure.high))
    return f"{low} to {high}, n = {figure.samples:,}"


def _percent(share: float | None) -> str:
    return "–" if not share else f"{share * 100:.1f} %"


def _per_call(calls: int, seconds: float) -> str:
    if not calls:
        return "–"
    micros = seconds / calls * 1e6
    return f"{micros:.1f} µs" if micros < 10 else f"{micros:,.0f} µs"


def _bytes(size: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if size >= 100 else f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} GiB"


def _duration(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _under(namespace: str) -> str:
    return f"under the namespace {namespace}" if namespace else "under no namespace (--namespace names one)"


def _hours(hours: float) -> str:
    return "hour" if hours == 1 else f"{hours:g} hours"
