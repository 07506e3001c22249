"""What a monitor sees, as frozen records that JSON keeps: :class:`Sample` is one dated look at everything.

What was not told is absent: missing from a dict, or None. It is never taken for nought.
"""

import msgspec

from ..measure.stats import Interval
from .node_figures import CommandFigures, NodeFigures, together

__all__ = [
    "ALL",
    "MOST_POINTS",
    "SCHEMA",
    "VERSION",
    "Alert",
    "ApplicationFigures",
    "CommandFigures",
    "FamilyMemory",
    "KeyFigure",
    "LatencySpike",
    "LockFigures",
    "Lookups",
    "NodeFigures",
    "ProcessFigures",
    "Reconciliation",
    "Sample",
    "ServerDelta",
    "ServerFigures",
    "SlowCommand",
    "Staleness",
    "decode",
    "encode",
]

SCHEMA, VERSION = "dousell-cache/monitor", 1

ALL = ""
"""The family of figures that stand for all families of an environment together."""


class SlowCommand(msgspec.Struct, frozen=True):
    """An entry of a slow log: never its arguments, which may be personal.

    Args:
        node: the server's.
        at: seconds since 1970, by the server's clock.
        ms: how long it ran.
        command: its name.
        family: the family of its first key, "" if it has none.
    """

    node: str
    at: int
    ms: float
    command: str
    family: str


class LatencySpike(msgspec.Struct, frozen=True):
    """What ``LATENCY LATEST`` tells of one cause: when it last stopped the server, for how long, and the longest."""

    node: str
    cause: str
    at: int
    latest_ms: int
    longest_ms: int


class FamilyMemory(msgspec.Struct, frozen=True):
    """The memory of a key family, from a bounded sample.

    Args:
        family: the family.
        sampled: how many of its keys were looked at.
        keys: how many it has, estimated.
        bytes: what they take, estimated.
        largest: the bytes of its largest key in the sample.
    """

    family: str
    sampled: int
    keys: float
    bytes: float
    largest: int


class KeyFigure(msgspec.Struct, frozen=True):
    """A key that stands out in the sample: its bytes, and how often it is used where the server counts that (LFU)."""

    key: str
    bytes: int | None = None
    frequency: int | None = None


class ServerFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What the server behind an environment tells: one node, or a Cluster's primaries.

    Args:
        nodes: each of them.
        slow: the slow log's latest entries.
        spikes: what stopped a node.
        families: memory by key family, if that was asked for.
        big: the largest keys of the sample.
        hot: the most used keys of the sample, where the policy is an LFU one.
        sampled: how many keys the sample has.
        unanswered: the commands that were refused or not answered.
    """

    nodes: tuple[NodeFigures, ...]
    slow: tuple[SlowCommand, ...] = ()
    spikes: tuple[LatencySpike, ...] = ()
    families: tuple[FamilyMemory, ...] = ()
    big: tuple[KeyFigure, ...] = ()
    hot: tuple[KeyFigure, ...] = ()
    sampled: int = 0
    unanswered: tuple[str, ...] = ()

    @property
    def total(self) -> NodeFigures:
        """Return the nodes as one: what can be added is added, of the rest the worst; one node is itself."""
        return self.nodes[0] if len(self.nodes) == 1 else together(self.nodes)


class ServerDelta(msgspec.Struct, frozen=True):
    """What the counters moved by between two samples, over all nodes; never negative.

    Args:
        seconds: between the two.
        counters: by INFO's names. Of a node that began anew, what it has counted since.
        gaps: a sentence for each node that began anew or was not there before: what it counted before is missing.
    """

    seconds: float
    counters: dict[str, float]
    gaps: tuple[str, ...] = ()


class ApplicationFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How the reads of a key family ended, over all processes of an environment.

    Args:
        environment: ``local``, ``vercel`` or ``dedicated``.
        family: what stands before a key's first colon; "" for all together.
        outcomes: reads by outcome (``hit``, ``miss``, ``coalesced``, ``stale``, ``refused``, ``bypass``, ``error``).
        near: hits that the processes' own near caches answered.
        undecodable: reads of what could not be read back.
        failures: reads whose loader raised.
        commands: commands sent for them.
        hit_rate: hits ÷ reads, the KPI; its interval by clusters of two minutes, without ends below five of them.
        p50_ms: time from call to answer; off by 0.8 % at most, the interval by clusters of an hour.
        p95_ms: of the slowest twentieth.
        p99_ms: of the slowest hundredth.
        load_p50_ms: time spent in the loader, of reads that loaded.
        load_p95_ms: of the slowest twentieth of them.
        overflow: answers that took longer than the histogram's range.
    """

    environment: str
    family: str = ALL
    outcomes: dict[str, int] = {}
    near: int = 0
    undecodable: int = 0
    failures: int = 0
    commands: int = 0
    hit_rate: Interval | None = None
    p50_ms: Interval | None = None
    p95_ms: Interval | None = None
    p99_ms: Interval | None = None
    load_p50_ms: Interval | None = None
    load_p95_ms: Interval | None = None
    overflow: int = 0

    @property
    def reads(self) -> int:
        """Return the number of reads, whatever their outcome."""
        return sum(self.outcomes.values())

    def share(self, outcome: str) -> float | None:
        """Return the share of reads that ended in this way, None without reads."""
        return self.outcomes.get(outcome, 0) / self.reads if self.reads else None


class LockFigures(msgspec.Struct, frozen=True):
    """How locks of a family were answered and ended: ``granted``, ``busy``, ``unavailable``, ``lost``, … by count."""

    environment: str
    family: str
    outcomes: dict[str, int]


class ProcessFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What concerns an environment's processes and no key family.

    Args:
        environment: theirs.
        flushes: how often figures came from them.
        commands: commands sent, by operation (``read``, ``write``, ``invalidation``, ``lock``, ``figures``).
        writes: values handed to the server.
        writes_refused: of them, those that it did not take.
        invalidations: withdrawals.
        invalidations_undelivered: of them, those that the server did not confirm.
        breaker_opened: how often a process took the cache for dead.
        breaker_open_seconds: for how long, all processes together; what is not over is not in it.
    """

    environment: str
    flushes: int = 0
    commands: dict[str, int] = {}
    writes: int = 0
    writes_refused: int = 0
    invalidations: int = 0
    invalidations_undelivered: int = 0
    breaker_opened: int = 0
    breaker_open_seconds: float = 0.0


class Lookups(msgspec.Struct, frozen=True):
    """Names looked up on a server: found, absent."""

    found: int = 0
    absent: int = 0

    @property
    def total(self) -> int:
        """Return how many there were."""
        return self.found + self.absent

    @property
    def rate(self) -> float | None:
        """Return found ÷ all, None if there was none."""
        return self.found / self.total if self.total else None

    def __add__(self, other: "Lookups") -> "Lookups":
        return Lookups(self.found + other.found, self.absent + other.absent)


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the server's keyspace counters are explained by what the application says that it did.

    Args:
        seconds: the window's length.
        application_hits: hits that the application counted.
        near_hits: of them, those that no server saw.
        expected: what the application's commands looked up, by cause (``reads``, ``loads``, ``locks``, ``others``,
            ``monitor``).
        server: what the server counted.
        unexplained: lookups that nobody of us made (negative: that the server did not count).
        points: the server's hit rate less the expected one, in percentage points; None without lookups on both sides,
            and below five minutes, when flushes on their way still matter.
        cause: the likely reason, in a sentence, where it is more than :data:`MOST_POINTS`; "" otherwise.
        gaps: as in :class:`ServerDelta`.
    """

    seconds: float
    application_hits: int
    near_hits: int
    expected: dict[str, Lookups]
    server: Lookups
    unexplained: int
    points: float | None
    cause: str = ""
    gaps: tuple[str, ...] = ()

    @property
    def explained(self) -> bool:
        """Tell whether the two agree within :data:`MOST_POINTS`, or it is too early to say."""
        return self.points is None or abs(self.points) <= MOST_POINTS


MOST_POINTS = 2.0
"""Percentage points by which the server's hit rate may differ from the expected one without a word."""


class Staleness(msgspec.Struct, frozen=True):
    """What the staleness probes found in one family: hits compared with the origin.

    Args:
        environment: theirs.
        family: the family; "" for all together.
        checked: hits that were compared.
        stale: the share of them that differed from the origin, with its interval.
        age_p50_s: how old the entries that differed were, in seconds, its interval by clusters of two minutes; None if
            none did or no age is known.
        age_p95_s: of the oldest twentieth.
        unknown: hits that could not be compared: the origin failed, or the value kept changing.
    """

    environment: str
    family: str
    checked: int
    stale: Interval
    age_p50_s: Interval | None = None
    age_p95_s: Interval | None = None
    unknown: int = 0


class Alert(msgspec.Struct, frozen=True):
    """Something that somebody should know of: made by whoever is plugged in as ``alerts``.

    Args:
        name: which rule.
        firing: whether it fires now.
        since: UTC, ISO 8601.
        message: what is wrong, the likely cause and the next step.
    """

    name: str
    firing: bool
    since: str
    message: str


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One dated look at everything in one environment.

    Args:
        at: UTC, ISO 8601.
        environment: ``local``, ``vercel`` or ``dedicated``.
        cache: the cache's address, without credentials.
        emulated: what is imitated on this machine; "" when all is real.
        namespace: what stands before the keys.
        seconds: how long the look took.
        hours: how far back the application's figures reach.
        problem: why the server could not be seen, in a sentence; "" if it was.
        server: None if it could not be seen.
        delta: the counters' moves since the sample before; None for the first one.
        application: a row for each family, and one for all (family "") first, for each environment that flushed.
        locks: a row for each family of locks.
        processes: a row for each environment that flushed.
        reconciliation: over the last hours, or since the monitor began; None for the first sample.
        staleness: a row for each family that was probed, and one for all first.
        alerts: what the plugged-in rules say.
    """

    schema: str = SCHEMA
    version: int = VERSION
    at: str
    environment: str
    cache: str
    emulated: str = ""
    namespace: str = ""
    seconds: float = 0.0
    hours: float = 1.0
    problem: str = ""
    server: ServerFigures | None = None
    delta: ServerDelta | None = None
    application: tuple[ApplicationFigures, ...] = ()
    locks: tuple[LockFigures, ...] = ()
    processes: tuple[ProcessFigures, ...] = ()
    reconciliation: Reconciliation | None = None
    staleness: tuple[Staleness, ...] = ()
    alerts: tuple[Alert, ...] = ()

    def of(self, family: str = ALL, environment: str | None = None) -> ApplicationFigures | None:
        """Return the application's figures of a family, None if there are none.

        Args:
            family: default all together.
            environment: default the sample's own.
        """
        wanted = environment or self.environment
        rows = (row for row in self.application if (row.environment, row.family) == (wanted, family))
        return next(rows, None)


def encode(sample: Sample) -> bytes:
    """Return a sample as one line of JSON."""
    return msgspec.json.encode(sample)


def decode(text: bytes | str) -> Sample:
    """Return the sample that JSON holds.

    Raises:
        ValueError: it is none, or of a version that this package does not know.
    """
    try:
        sample = msgspec.json.decode(text, type=Sample)
    except msgspec.DecodeError as error:
        message = f"this is no sample of a monitor: {error}"
        raise ValueError(message) from error
    if (sample.schema, sample.version) != (SCHEMA, VERSION):
        message = f"this is {sample.schema} version {sample.version}; this package reads {SCHEMA} version {VERSION}"
        raise ValueError(message)
    return sample
