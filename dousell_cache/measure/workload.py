"""What is asked, and when: seeded, so that every environment gets the same requests at the same times. Pure."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

# Arrivals and keys are drawn from streams of their own: from one, popular keys would come at short gaps.
_ARRIVALS, _KEYS = 0, 1


@dataclass(frozen=True, eq=False)
class Schedule:
    """The times at which requests are to start; compare two by their digests.

    Args:
        times: seconds from the start of the run, ascending.

    Raises:
        ValueError: the times are not finite, not ascending, or negative.
    """

    times: NDArray[np.float64]

    def __post_init__(self) -> None:
        if not np.all(np.isfinite(self.times)) or np.any(np.diff(self.times, prepend=0.0) < 0):
            message = "a schedule's times must be finite, ascending and not negative"
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
        count = _count(rate, seconds, requests)
        generator = _generator(seed, _ARRIVALS)
        if requests is not None:
            return cls(np.cumsum(generator.exponential(1 / rate, requests)))
        # Given their number, Poisson arrivals are independent uniform times.
        arrivals = generator.uniform(0, count / rate, generator.poisson(count))
        return cls(np.sort(arrivals))

    @classmethod
    def constant(cls, rate: float, seconds: float | None = None, *, requests: int | None = None) -> Self:
        """Arrivals at equal gaps; arguments as for :meth:`poisson`."""
        return cls(np.arange(round(_count(rate, seconds, requests))) / rate)

    @classmethod
    def replay(cls, times: Sequence[float] | NDArray[np.float64]) -> Self:
        """Arrivals at recorded times, counted from the first of them."""
        recorded = np.asarray(times, dtype=np.float64)
        return cls(recorded - recorded[0] if len(recorded) else recorded)

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 of the times: equal digests mean equal schedules."""
        return hashlib.sha256(self.times.astype("<f8").tobytes()).hexdigest()

    def __len__(self) -> int:
        return len(self.times)


def zipf_ranks(keys: int, requests: int, *, skew: float, seed: int) -> NDArray[np.int64]:
    """Draw which key each request asks for: rank r with a weight of 1 ÷ (r + 1)^skew.

    Args:
        keys: how many keys there are.
        requests: how many draws.
        skew: 0 asks for all keys alike, 1 is typical of pages, more concentrates on a few.
        seed: of the draws.

    Returns:
        Ranks from 0, the most popular, to keys - 1.

    Raises:
        ValueError: fewer than one key, fewer than no requests, or a skew or seed that makes no sense.
    """
    if keys < 1 or requests < 0:
        message = f"there must be at least one key and no fewer than 0 requests, not {keys} and {requests}"
        raise ValueError(message)
    if not 0 <= skew < math.inf:
        message = f"skew must be a number from 0 upwards, not {skew}"
        raise ValueError(message)
    weights = 1.0 / np.arange(1, keys + 1) ** skew
    return _generator(seed, _KEYS).choice(keys, size=requests, p=weights / weights.sum())


def _generator(seed: int, stream: int) -> np.random.Generator:
    if seed < 0:
        message = f"a seed must be a whole number from 0 upwards, not {seed}"
        raise ValueError(message)
    return np.random.default_rng((seed, stream))


def _count(rate: float, seconds: float | None, requests: int | None) -> float:
    if not 0 < rate < math.inf:
        message = f"rate must be a positive number of requests per second, not {rate}"
        raise ValueError(message)
    if (seconds is None) == (requests is None):
        message = "give either seconds or requests"
        raise ValueError(message)
    count = float(requests or 0) if seconds is None else rate * seconds
    if not 0 <= count < math.inf:
        message = f"a schedule must be of 0 requests or more, not {count:g}"
        raise ValueError(message)
    return count
