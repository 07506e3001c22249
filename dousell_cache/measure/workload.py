"""What is asked, and when: seeded, so that every environment gets the same requests at the same times. Pure.

When (:mod:`.arrivals`) and what (:mod:`.popularity`) are drawn apart; :mod:`.pages` has Dousell's own mix.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from .arrivals import ARRIVALS, DAY, burst_steps, day_steps, expected, stream, varying
from .popularity import Keys, Popularity, zipf_ranks

__all__ = ["INVALIDATE", "OPERATIONS", "READ", "Recorded", "Request", "Schedule", "zipf_ranks"]

Operation = Literal["read", "invalidate"]
OPERATIONS: tuple[Operation, ...] = ("read", "invalidate")
READ, INVALIDATE = range(2)


class Request(NamedTuple):
    """One request of a schedule.

    Args:
        time: seconds from the start of the run.
        key: what it asks for; empty if the schedule has no keys.
        operation: ``read`` or ``invalidate``.
    """

    time: float
    key: str
    operation: Operation


class Recorded(Protocol):
    """What was recorded, one element for each request: what :meth:`Schedule.replay` takes, besides mere times.

    ``operations`` are the words ``read`` and ``invalidate``, or their codes 0 and 1.
    """

    @property
    def times(self) -> NDArray[np.float64]:
        """Seconds, ascending."""
        ...

    @property
    def keys(self) -> Sequence[str]:
        """The key of each request."""
        ...

    @property
    def operations(self) -> Any:
        """What was done with it."""
        ...


@dataclass(frozen=True, eq=False)
class Schedule:
    """The times at which requests are to start, and what they ask for; compare two by their digests.

    Args:
        times: seconds from the start of the run, ascending.
        keys: of each request; None where the operation alone knows what it asks for.
        operations: of each request, as words or as codes (0 read, 1 invalidate); None: all are reads.

    Raises:
        ValueError: the times are not finite, not ascending, or negative; or there are not as many keys or operations;
            or an operation is unknown.
    """

    times: NDArray[np.float64]
    keys: Keys | None = None
    operations: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", np.asarray(self.times, dtype=np.float64))
        object.__setattr__(self, "keys", None if self.keys is None else Keys.of(self.keys))
        object.__setattr__(self, "operations", _codes(self.operations, len(self.times)))
        if not np.all(np.isfinite(self.times)) or np.any(np.diff(self.times, prepend=0.0) < 0):
            message = "a schedule's times must be finite, ascending and not negative"
            raise ValueError(message)
        for name, given in (("keys", self.keys), ("operations", self.operations)):
            if given is not None and len(given) != len(self.times):
                message = f"a schedule needs as many {name} as times, not {len(given)} for {len(self.times)}"
                raise ValueError(message)

    @classmethod
    def poisson(cls, rate: float, seconds: float | None = None, *, seed: int, requests: int | None = None) -> Self:
        """Arrivals as independent visitors make them: exponential gaps.

        Args:
            rate: requests per second, on average.
            seconds: how long; the number of requests then varies with the seed.
            seed: of the random gaps.
            requests: how many, instead of how long.

        Raises:
            ValueError: the rate, seconds, requests or the seed make no sense, or not exactly one of seconds and
                requests is given.
        """
        count = expected(rate, seconds, requests)
        generator = stream(seed, ARRIVALS)
        if requests is not None:
            return cls(np.cumsum(generator.exponential(1 / rate, requests)))
        # Given their number, Poisson arrivals are independent uniform times.
        arrivals = generator.uniform(0, count / rate, generator.poisson(count))
        return cls(np.sort(arrivals))

    @classmethod
    def constant(cls, rate: float, seconds: float | None = None, *, requests: int | None = None) -> Self:
        """Arrivals at equal gaps; arguments as for :meth:`poisson`."""
        return cls(np.arange(round(expected(rate, seconds, requests))) / rate)

    @classmethod
    def bursts(
        cls, rate: float, seconds: float, *, seed: int, burst: float, every: float = 10.0, lasting: float = 1.0
    ) -> Self:
        """Arrivals as after announcements: Poisson, at a higher rate in the last part of each period.

        Args:
            rate: requests per second between the bursts.
            seconds: how long in all.
            seed: of the arrivals.
            burst: requests per second in a burst.
            every: seconds from one burst to the next; the default shows several in a minute.
            lasting: seconds that a burst lasts.

        Raises:
            ValueError: a rate, a time or the seed makes no sense.
        """
        return cls(varying(*burst_steps(rate, burst, every, lasting, seconds), seed))

    @classmethod
    def daily(
        cls,
        rate: float,
        seconds: float = 86_400.0,
        *,
        seed: int,
        day: float | None = None,
        curve: Sequence[float] = DAY,
    ) -> Self:
        """Arrivals over a day: Poisson, at a rate that follows the hours.

        Args:
            rate: requests per second, on average over a day.
            seconds: how long in all.
            seed: of the arrivals.
            day: how many seconds a day takes; the default squeezes one day into ``seconds``.
            curve: how busy each part of the day is beside the others, from midnight on, in equal parts; the default,
                by the hour, is an assumption: see :data:`~dousell_cache.measure.arrivals.DAY`.

        Raises:
            ValueError: the rate, a time, the curve or the seed makes no sense.
        """
        return cls(varying(*day_steps(rate, seconds, day, curve), seed))

    @classmethod
    def replay(cls, recorded: Recorded | Sequence[float] | NDArray[np.float64]) -> Self:
        """Arrivals at recorded times, counted from the first of them, with the keys and operations recorded.

        Args:
            recorded: a trace, with ``times``, ``keys`` and ``operations``; or times alone.
        """
        if isinstance(recorded, (Sequence, np.ndarray)):
            return cls(_from_the_first(recorded))
        return cls(_from_the_first(recorded.times), Keys.of(recorded.keys), recorded.operations)

    def asking(self, popularity: Popularity, *, seed: int) -> Self:
        """Return the same arrivals with keys.

        Args:
            popularity: how often each is asked for: :class:`Zipf`, :class:`Uniform`, :class:`Weighted` or
                :class:`Replayed`.
            seed: of the choice; it may be that of the arrivals, which are drawn from another stream.
        """
        return type(self)(self.times, popularity.draw(len(self), seed), self.operations)

    def part(self, number: int, of: int) -> Self:
        """Return every ``of``-th request, from the one with this number on: what one of several workers makes."""
        places = slice(number, None, of)
        keys = None if self.keys is None else self.keys.take(places)
        return type(self)(self.times[places], keys, None if self.operations is None else self.operations[places])

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 of times, keys and operations: equal digests mean equal schedules, on any platform.

        Hashed are the times as little-endian doubles. If there are keys, then also: the word ``keys``; of each request,
        as a little-endian 32-bit number, how many other keys had been asked for before its own first was; and each of
        these keys as UTF-8 behind its length in four bytes. If not all are reads, then also: the word ``operations``,
        and a byte for each, 1 for an invalidation.
        """
        hashed = hashlib.sha256(self.times.astype("<f8").tobytes())
        if self.keys is not None:
            keys = self.keys.canonical()
            hashed.update(b"keys" + keys.codes.astype("<u4").tobytes())
            for name in keys.names:
                hashed.update(len(name.encode()).to_bytes(4, "little") + name.encode())
        if self.operations is not None and self.operations.any():
            hashed.update(b"operations" + self.operations.tobytes())
        return hashed.hexdigest()

    def __len__(self) -> int:
        return len(self.times)

    def __iter__(self) -> Iterator[Request]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, index: int) -> Request:
        key = "" if self.keys is None else self.keys[index]
        code = READ if self.operations is None else self.operations[index]
        return Request(float(self.times[index]), key, OPERATIONS[code])


def _from_the_first(times: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    recorded = np.asarray(times, dtype=np.float64)
    return recorded - recorded[0] if len(recorded) else recorded


def _codes(operations: Any, requests: int) -> NDArray[np.uint8] | None:
    """Return operations as codes, whether they come as codes or as words."""
    if operations is None or not requests:
        return None
    given = np.asarray(operations)
    known = np.isin(given, OPERATIONS if given.dtype.kind in "UO" else (READ, INVALIDATE))
    if not np.all(known):
        message = f"an operation must be {' or '.join(OPERATIONS)}, not {given[~known][0]!s}"
        raise ValueError(message)
    return (given == OPERATIONS[INVALIDATE] if given.dtype.kind in "UO" else given).astype(np.uint8)
