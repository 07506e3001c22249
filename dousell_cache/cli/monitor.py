"""``dousell-cache monitor``: what the cache is doing, live, once for cron, or for Prometheus."""

import argparse
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from . import alerting
from .places import place_of

if TYPE_CHECKING:
    from ..monitor.alert_book import Watch
    from ..monitor.figures import Sample
    from ..monitor.monitor import Monitor

FINE, FAILED, BROKEN, UNREACHABLE = 0, 1, 3, 4

_SHORTEST, _LONGEST = 0.2, 86400.0
_COLUMNS = 80
_SAID_SHOWN = 5  # of what was said, above the pages of a live view


def add(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "monitor",
        help="watch the cache: hit rate, response times, the server behind it",
        description="Watch a cache: what its processes flushed (connect(figures=True)), merged over all of them, with "
        "intervals; what its server tells; and whether the two agree. Each look sends a few commands; nothing is "
        "scanned without --families.",
        epilog="Exit codes of --once: 0 fine, 1 a target failed or an alert fires, 2 wrong usage, 3 the state of "
        "the alerts cannot be written, 4 the server cannot be seen. Without it: 130 and 143 for signals.",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--env",
        metavar="NAMES",
        help="local, vercel, dedicated, or several with commas; default: what the environment variables say. vercel "
        "without credentials means the local Upstash emulator.",
    )
    where.add_argument("--url", metavar="URL", help="watch this redis:// address instead")
    parser.add_argument("--namespace", metavar="TEXT", default="", help="what stands before the keys; default nothing")
    parser.add_argument("--hours", type=float, default=1.0, help="how far back figures reach; default %(default)g")
    parser.add_argument(
        "--every", type=float, metavar="SECONDS", default=5.0, help="between looks, unasked; default %(default)g"
    )
    parser.add_argument(
        "--families",
        action="store_true",
        help="look at some keys for the memory of families, and for big and hot keys: this SCANs, once a minute",
    )
    parser.add_argument("--once", action="store_true", help="look once and end")
    parser.add_argument(
        "--state",
        type=Path,
        metavar="FILE",
        help="remember there what was seen, so that the next run can tell what moved since: for --once",
    )
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each environment and look")
    parser.add_argument(
        "--serve", metavar="[HOST:]PORT", help="answer Prometheus at /metrics there, on loopback unless it says where"
    )
    alerting.add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Watch, and return the exit code."""
    if not _SHORTEST <= options.every <= _LONGEST:
        message = f"--every must be {_SHORTEST:g} to {_LONGEST:g} seconds, not {options.every:g}"
        raise ConfigurationError(message)
    if options.serve and (options.once or options.json):
        message = "--serve answers Prometheus: it goes with neither --once nor --json"
        raise ConfigurationError(message)
    if options.state and not options.once:
        message = "--state is what one --once leaves for the next: without it nothing need be remembered"
        raise ConfigurationError(message)
    watch = alerting.watching(options)
    from ..monitor.alert_file import BookNotKept

    try:
        with _monitors(options, watch) as monitors:
            if options.serve:
                return _serve(monitors, watch, options.serve, options.every)
            if options.once:
                return _once(monitors, watch, options.state, as_json=options.json)
            return _live(monitors, watch, options.every, as_json=options.json)
    except BookNotKept as error:
        print(f"dousell-cache: {error}", file=sys.stderr)
        return BROKEN


@contextmanager
def _monitors(options: argparse.Namespace, watch: "Watch") -> "Iterator[list[Monitor]]":
    from ..monitor.monitor import SAMPLE_KEYS, Monitor, no_alerts

    names = [name.strip() for name in options.env.split(",")] if options.env else [None]
    alerts = watch if options.once else no_alerts if options.serve else watch.patiently
    with ExitStack() as stack:
        monitors = []
        for name in dict.fromkeys(names):
            monitor = Monitor(
                place_of(name, options.url),
                namespace=options.namespace,
                hours=options.hours,
                families=SAMPLE_KEYS if options.families else 0,
                alerts=alerts,
            )
            stack.callback(monitor.close)
            monitors.append(monitor)
        yield monitors


def exit_code(samples: "Sequence[Sample]") -> int:
    """Return the exit code that samples mean: the worst of them, and a server that cannot be seen is worse than all."""
    from ..monitor.view import verdicts

    if any(sample.problem for sample in samples):
        return UNREACHABLE
    fires = any(alert.firing for sample in samples for alert in sample.alerts)
    fails = any("fail" in verdicts(sample).values() for sample in samples)
    return FAILED if fires or fails else FINE


def _once(monitors: "list[Monitor]", watch: "Watch", state: Path | None, *, as_json: bool) -> int:
    from ..monitor.memory import recall, remember

    remembered = recall(state) if state else {}
    for monitor in monitors:
        if monitor.name in remembered:
            monitor.resume(remembered[monitor.name])
    samples = [monitor.look() for monitor in monitors]
    if state:
        remember(state, remembered | {monitor.name: memory for monitor in monitors if (memory := monitor.memory)})
    _show(samples, as_json=as_json)
    alerting.say(watch, as_json=as_json)
    return exit_code(samples)


def _live(monitors: "list[Monitor]", watch: "Watch", every: float, *, as_json: bool) -> int:
    if as_json or not sys.stdout.isatty():
        while True:
            _once(monitors, watch, None, as_json=as_json)
            time.sleep(every)
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    from ..monitor.view import view

    said = deque[str](maxlen=_SAID_SHOWN)
    with Live(screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as screen:
        while True:
            pages = [view(monitor.look()) for monitor in monitors]
            said.extend(alerting.said(watch))
            screen.update(Group(*map(Text, said), *pages), refresh=True)
            time.sleep(every)


def _show(samples: "Sequence[Sample]", *, as_json: bool) -> None:
    if as_json:
        from ..monitor.figures import encode

        for sample in samples:
            print(encode(sample).decode(), flush=True)
        return
    from rich.console import Console

    from ..monitor.view import view

    console = Console(width=None if sys.stdout.isatty() else _COLUMNS, highlight=False)
    for sample in samples:
        console.print(view(sample))


def _serve(monitors: "list[Monitor]", watch: "Watch", where: str, every: float) -> int:
    try:
        from ..monitor.exporter import MonitorCollector, registry_of
    except ModuleNotFoundError as error:
        raise ConfigurationError(str(error)) from error
    from prometheus_client import start_http_server

    host, port = _address(where)
    collector, judged = MonitorCollector(monitors), alerting.aloud(watch)
    try:
        server, thread = start_http_server(port, host, registry_of(collector))
    except OSError as error:
        message = f"--serve {where}: {error.strerror or error}"
        raise ConfigurationError(message) from error
    print(f"http://{host}:{server.server_port}/metrics until Ctrl-C", flush=True)
    try:
        while thread.is_alive():  # it looks by itself, too: somebody may want to be told where nobody scrapes
            for sample in collector.look():
                judged(sample)  # beside the scrapes: a webhook may take a minute
            thread.join(every)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    return FINE


def _address(where: str) -> tuple[str, int]:
    host, _, port = where.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        message = f"--serve must be a port, or a host and a port such as 0.0.0.0:9121, not {where!r}"
        raise ConfigurationError(message)
    return host.strip("[]") or "127.0.0.1", int(port)
