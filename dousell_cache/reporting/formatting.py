"""How moments, durations and units are written on pages; numbers are ``tables.number``'s business. Pure."""

from datetime import UTC, datetime

_SHARES = ("hit_rate", "in_order", "in_order_fair", "double_payments", "double_bookings")
_UNITS = dict.fromkeys(_SHARES, "%") | {"speedup": "×", "grants_per_second": "/s"}


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
