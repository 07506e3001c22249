"""The alerts of ``dousell-cache monitor``: where they are kept, by what they are judged, and who is told."""

import argparse
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..monitor.alert_book import Send, Watch
    from ..monitor.delivery import Webhook
    from ..monitor.figures import Alert, Sample
    from ..monitor.monitor import Alerts

_HOURS = 4.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options to the command's own."""
    group = parser.add_argument_group(
        "alerts",
        "What fires is shown, and makes --once exit with 1. DOUSELL_CACHE_WEBHOOK_URL names a webhook that is told, "
        "DOUSELL_CACHE_WEBHOOK_SECRET signs what it is sent; --alerts-state goes with it.",
    )
    group.add_argument(
        "--alerts-state",
        metavar="FILE",
        help="keep here what fires and what was said, so that --once from cron says it once; default: while it runs",
    )
    group.add_argument("--alerts-json", metavar="FILE", help="write what fires now here, at each look")
    group.add_argument(
        "--remind",
        type=float,
        metavar="HOURS",
        default=_HOURS,
        help="say it again when it still fires after so long; default %(default)g",
    )
    group.add_argument("--kpis", metavar="FILE", help="targets and alert levels in TOML, over the usual ones")


def watching(options: argparse.Namespace) -> "Watch":
    """Return the alerts that the options ask for.

    Raises:
        ConfigurationError: an option, a variable or the KPI file makes no sense.
    """
    if not (math.isfinite(options.remind) and options.remind > 0):
        message = f"--remind must be a number of hours above 0, not {options.remind:g}"
        raise ConfigurationError(message)
    from .report import judge_by

    judge_by(options.kpis)
    from ..measure.kpis import kpis_in_force
    from ..monitor.alert_book import Watch
    from ..monitor.alert_file import InFile, InMemory
    from ..monitor.alert_rules import limits_of, rules

    to = _webhook(kept=options.alerts_state is not None)
    return Watch(
        InFile(Path(options.alerts_state)) if options.alerts_state else InMemory(),
        rules(limits_of(kpis_in_force())),
        send=_sending(to, once=options.once) if to else None,
        reminder=options.remind * 3600,
        now=Path(options.alerts_json) if options.alerts_json else None,
    )


def _sending(to: "Webhook", *, once: bool) -> "Send":
    """Return how notices are sent: patiently by a job that looks once; one that goes on tries at its next look."""
    from ..monitor.delivery import send

    return lambda notice, left: send(to, notice, left if once else 0.0)


def _webhook(*, kept: bool) -> "Webhook | None":
    from ..monitor.delivery import URL_VARIABLE, webhook

    to = webhook(os.environ)
    if to and not kept:
        _complain(f"{URL_VARIABLE} is set, and nobody is told without --alerts-state FILE: each look would be news")
        return None
    return to


def say(watch: "Watch", *, as_json: bool) -> None:
    """Print what was not said yet: notices unless they would stand between lines of JSON, which has them as alerts."""
    notices, complaints = watch.unsaid()
    for notice in () if as_json else notices:
        print(notice, flush=True)
    for complaint in complaints:
        _complain(complaint)


def said(watch: "Watch") -> list[str]:
    """Return what was not said yet; where stderr is no terminal it is printed there, too."""
    notices, complaints = watch.unsaid()
    if not sys.stderr.isatty():
        _aside(notices, complaints)
    return [*notices, *complaints]


def aloud(watch: "Watch") -> "Alerts":
    """Return the alerts of a monitor that serves: what each look of its own has to say is on stderr at once."""
    import msgspec

    def judged(sample: "Sample") -> "Sequence[Alert]":
        found = watch.patiently(msgspec.structs.replace(sample, delta=None))  # else: since the last scrape
        _aside(*watch.unsaid())
        return found

    return judged


def _aside(notices: "Sequence[str]", complaints: "Sequence[str]") -> None:
    for notice in notices:
        print(notice, file=sys.stderr, flush=True)
    for complaint in complaints:
        _complain(complaint)


def _complain(sentence: str) -> None:
    print(f"dousell-cache: {sentence}", file=sys.stderr, flush=True)
