"""How moments, durations and units are written on pages; numbers are ``tables.number``'s business. Pure."""

from datetime import UTC, datetime

from ..languages import section
from ..measure.compare import SHARES
from ..measure.place import Place
from .tables import number

LABELS = section("en", "figure")
"""What figures are called on pages and in tables."""

_UNITS = dict.fromkeys(SHARES, "%") | {"speedup": "×", "grants_per_second": "/s"}


def unit_of(figure: str) -> str:
    """Return the unit of a figure in ``results.json``: ``%`` for shares, ``×`` for ratios, ``ms`` and ``/s``."""
    return _UNITS.get(figure, "ms" if figure.endswith("_ms") else "")


def when(moment: str) -> str:
    """Write a moment in ISO 8601 as ``22 November 2026, 19:30 UTC``."""
    utc = datetime.fromisoformat(moment).astimezone(UTC)
    return f"{utc.day} {utc:%B %Y, %H:%M} UTC"


def duration(seconds: float) -> str:
    """Write a duration: ``0.4 s``, ``37 s``, ``2 min 5 s``, ``1 h 3 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def seconds_between(started: str, finished: str) -> float:
    """Return the seconds between two moments in ISO 8601."""
    return (datetime.fromisoformat(finished) - datetime.fromisoformat(started)).total_seconds()


def distance(place: Place) -> str:
    """Write how far a cache is: ``a round trip takes at least 0.12 ms (20 pings, TLS, from cdg1)``."""
    told = [
        f"{place.pings} pings",
        *(["TLS"] if place.tls else []),
        *([f"from {place.region}"] if place.region else []),
    ]
    return f"a round trip takes at least {number(place.rtt_floor_ms or 0.0, 'ms')} ({', '.join(told)})"
