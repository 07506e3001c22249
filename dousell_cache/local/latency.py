"""Latency profiles: how far away an emulated service seems to be (pure: no clock, no waiting).

A delay is a floor plus a gamma-distributed tail. Round trips have a hard minimum, the distance, and queues above it,
so their histogram starts abruptly and leans to the right; a normal distribution would be symmetric and go below zero.
Gamma rather than lognormal because its tail falls off exponentially: no single freak delay decides the P99 of a short
run. The profile's mean and jitter are the distribution's exact mean and standard deviation.
"""

import difflib
import math
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = ["PROFILES", "LatencyProfile"]

# The floor lies this many standard deviations below the mean: skewness 1, as a loaded but healthy link shows.
_FLOOR_DEVIATIONS = 2.0


@dataclass(frozen=True)
class LatencyProfile:
    """The delay that an emulator adds to each request.

    Args:
        name: what reports call it; printable ASCII without comma or equals sign.
        mean_ms: mean delay in milliseconds.
        jitter_ms: standard deviation in milliseconds; 0 makes every delay the mean.
        seed: the same seed gives the same delays in the same order.

    Raises:
        ValueError: a value makes no sense; the message names it.
    """

    name: str
    mean_ms: float
    jitter_ms: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        # The name travels in an HTTP header and in a spec.
        if not (self.name.isascii() and self.name.isprintable()) or not self.name or set(self.name) & set(",="):
            raise ValueError(f"latency name {self.name!r}: use printable ASCII without ',' and '='")
        for field, value in (("mean", self.mean_ms), ("jitter", self.jitter_ms)):
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"latency {field}={value}: use a number of milliseconds, 0 or more")
        if self.jitter_ms and not self.mean_ms:
            raise ValueError(f"latency jitter={self.jitter_ms:g} needs a mean above 0: delays cannot be negative")

    @classmethod
    def parse(cls, text: str) -> "LatencyProfile":
        """Read a profile from its name or from a spec such as ``mean=5,jitter=1,seed=3``.

        Args:
            text: a name in ``PROFILES``, or ``key=value`` pairs: ``mean`` (required) and ``jitter`` in milliseconds,
                ``seed``, and ``name`` (default ``custom``).

        Returns:
            The profile.

        Raises:
            ValueError: the text is neither; the message says what would be right.
        """
        if "=" not in text:
            return _known(text.strip())
        given = dict(_pair(part) for part in text.split(","))
        if "mean" not in given:
            raise ValueError(f"latency {text!r} has no mean: write for example mean=5,jitter=1,seed=3")
        return cls(
            name=given.get("name", "custom"),
            mean_ms=_number("mean", given["mean"]),
            jitter_ms=_number("jitter", given.get("jitter", "0")),
            seed=_seed(given.get("seed", "0")),
        )

    def __str__(self) -> str:
        """Return a spec that ``parse`` reads back as an equal profile."""
        if PROFILES.get(self.name) == self:
            return self.name
        spec = f"mean={self.mean_ms!r},jitter={self.jitter_ms!r},seed={self.seed}"
        return spec if self.name == "custom" else f"name={self.name},{spec}"

    @property
    def label(self) -> str:
        """How a figure measured through this profile is marked, such as ``upstash-eu: 2 ms ± 0.6 ms, emulated``."""
        spread = f" ± {self.jitter_ms:g} ms" if self.jitter_ms else ""
        return f"{self.name}: {self.mean_ms:g} ms{spread}, emulated"

    def delays(self) -> Iterator[float]:
        """Yield delays in seconds, without end; each call starts the same sequence again."""
        floor = max(0.0, self.mean_ms - _FLOOR_DEVIATIONS * self.jitter_ms)
        tail = self.mean_ms - floor
        if not tail:
            while True:
                yield self.mean_ms / 1000
        shape, scale = (tail / self.jitter_ms) ** 2, self.jitter_ms**2 / tail
        chance = random.Random(self.seed)  # noqa: S311 - imitates a network, guards nothing
        while True:
            yield (floor + chance.gammavariate(shape, scale)) / 1000


PROFILES = {
    profile.name: profile
    for profile in (
        LatencyProfile("lan", mean_ms=0.5, jitter_ms=0.1),
        # With the emulator's own time, a hit from a function in the same region lands near the 5 ms that are promised.
        LatencyProfile("upstash-eu", mean_ms=2.0, jitter_ms=0.6),
        LatencyProfile("supabase-eu", mean_ms=300.0, jitter_ms=30.0),
    )
}

_KEYS = ("name", "mean", "jitter", "seed")


def _known(name: str) -> LatencyProfile:
    if name in PROFILES:
        return PROFILES[name]
    raise ValueError(
        f"no latency profile {name!r}{_nearest(name, PROFILES)}; known: {', '.join(PROFILES)}, "
        "or write mean=5,jitter=1,seed=3 (milliseconds)"
    )


def _pair(part: str) -> tuple[str, str]:
    key, _, value = (piece.strip() for piece in part.partition("="))
    if key not in _KEYS:
        raise ValueError(f"latency key {key!r} is unknown{_nearest(key, _KEYS)}; known: {', '.join(_KEYS)}")
    return key, value


def _nearest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f": did you mean {close[0]!r}?" if close else ""


def _number(key: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"latency {key}={text!r} is not a number of milliseconds") from None


def _seed(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"latency seed={text!r} is not a whole number") from None
