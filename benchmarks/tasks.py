"""What goes over a contender's pipe: a task as a line of JSON, its answer as another. Data only."""

import msgspec


class Hits(msgspec.Struct, tag=True, frozen=True):
    """Read keys that are there, again and again.

    Args:
        keys: stored by the first read of all; each caller reads one of them, in turn.
        size: which value they hold.
        callers: how many threads or tasks read at the same time.
        warm_seconds: how long to read before anything counts.
        seconds: how long to measure.
    """

    keys: list[str]
    size: str
    callers: int
    warm_seconds: float
    seconds: float


class Cold(msgspec.Struct, tag=True, frozen=True):
    """Read a key that is not there, all callers at once.

    Args:
        key: read by nobody before.
        callers: how many threads or tasks read it.
        start: when, by the machine's monotonic clock.
        load_seconds: how long a load takes.
    """

    key: str
    callers: int
    start: float
    load_seconds: float


class HitsDone(msgspec.Struct, tag=True, frozen=True):
    """What the measured reads took; ``loads`` is 0 unless some of them were no hits."""

    p50_us: float
    p95_us: float
    per_second: float
    cpu_us: float
    loads: int


class ColdDone(msgspec.Struct, tag=True, frozen=True):
    """When each caller had its value, in seconds from the start, and how many loads that took."""

    seconds: list[float]
    loads: int


class Ready(msgspec.Struct, tag=True, frozen=True):
    """The contender is connected; the versions of all installed packages."""

    versions: dict[str, str]


class Failed(msgspec.Struct, tag=True, frozen=True):
    """The contender could not do it."""

    reason: str


Task = Hits | Cold
Answer = HitsDone | ColdDone | Ready | Failed
