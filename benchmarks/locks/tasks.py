"""What goes over the pipe of a lock's contender: a task as a line of JSON, its answer as another. Data only."""

import msgspec


class Alone(msgspec.Struct, tag=True, frozen=True):
    """Get a lock that nobody else wants and give it back, again and again.

    Args:
        name: of the lock.
        warm_seconds: how long to do so before anything counts.
        seconds: how long to measure; at least one pair is.
    """

    name: str
    warm_seconds: float
    seconds: float


class Contend(msgspec.Struct, tag=True, frozen=True):
    """Want a lock that others want too, from a moment on and for some time.

    Args:
        name: of the lock.
        callers: how many threads or tasks want it.
        start: when, by the machine's monotonic clock.
        seconds: until when they ask again.
        hold: seconds in which a holder does nothing but hold.
        think: seconds from giving the lock back to asking again.
    """

    name: str
    callers: int
    start: float
    seconds: float
    hold: float
    think: float


class Hold(msgspec.Struct, tag=True, frozen=True):
    """Start a process that gets a lock and keeps it until it is killed."""

    name: str
    ttl: float


class Grab(msgspec.Struct, tag=True, frozen=True):
    """Wait for a lock, and give it back."""

    name: str
    ttl: float


class Try(msgspec.Struct, tag=True, frozen=True):
    """Get a lock without waiting for anybody and give it back, some times.

    Args:
        name: of the lock.
        count: how many times.
        anew: through a new client, whose breaker has seen nothing yet.
        pause: seconds between two tries.
    """

    name: str
    count: int
    anew: bool = False
    pause: float = 0.0


class Enter(msgspec.Struct, tag=True, frozen=True):
    """Get a lock without waiting for anybody."""

    name: str
    ttl: float


class Leave(msgspec.Struct, tag=True, frozen=True):
    """Give back what was got last."""


class Grant(msgspec.Struct, array_like=True, frozen=True):
    """One time that a caller had the lock, by the machine's monotonic clock.

    Args:
        asked: when it began to ask.
        granted: when it was inside.
        leaving: when it began to give the lock back.
    """

    asked: float
    granted: float
    leaving: float


class AloneDone(msgspec.Struct, tag=True, frozen=True):
    """What the measured pairs took, and how many there were."""

    p50_us: float
    p95_us: float
    cpu_us: float
    pairs: int


class Contended(msgspec.Struct, tag=True, frozen=True):
    """Every grant, and the processor time of the whole process meanwhile."""

    grants: list[Grant]
    cpu_seconds: float


class Held(msgspec.Struct, tag=True, frozen=True):
    """A process has the lock: when it asked, when it was granted, and whom to kill."""

    asked: float
    granted: float
    pid: int


class Grabbed(msgspec.Struct, tag=True, frozen=True):
    """The lock was waited for and granted at that moment."""

    granted: float


class Tried(msgspec.Struct, tag=True, frozen=True):
    """The seconds of each try, what it ended with by name ("granted" or an exception), and how often the body ran."""

    seconds: list[float]
    endings: list[str]
    bodies: int


class Ended(msgspec.Struct, tag=True, frozen=True):
    """How entering or leaving ended: "" as it should, else the name of an exception."""

    reason: str


Task = Alone | Contend | Hold | Grab | Try | Enter | Leave
Answer = AloneDone | Contended | Held | Grabbed | Tried | Ended
