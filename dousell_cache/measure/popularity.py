"""Which key each request asks for: names beside codes, drawn by a seed or replayed. Pure."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, overload

import numpy as np
from numpy.typing import NDArray

from .arrivals import KEYS, stream

Codes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Keys(Sequence[str]):
    """The key of every request, cheap for millions of them: a sequence of texts, kept as numbers beside a table.

    Args:
        codes: of each request, the place of its key in the table.
        names: the table of keys.

    Raises:
        ValueError: a code has no name.
    """

    codes: Codes
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.codes) and not 0 <= self.codes.min() <= self.codes.max() < len(self.names):
            message = f"each request's code must be one of {len(self.names)} names, from 0 on"
            raise ValueError(message)

    @classmethod
    def of(cls, keys: Sequence[str]) -> "Keys":
        """Return keys as they are, or texts as keys."""
        if isinstance(keys, cls):
            return keys
        table: dict[str, int] = {}
        codes = np.fromiter((table.setdefault(key, len(table)) for key in keys), np.int64, len(keys))
        return cls(codes, tuple(table))

    def take(self, places: slice | Codes) -> "Keys":
        """Return the keys of some of the requests."""
        return Keys(self.codes[places], self.names)

    def canonical(self) -> "Keys":
        """Return the same keys with those names only that are asked for, in the order in which they first are."""
        used, first, codes = np.unique(self.codes, return_index=True, return_inverse=True)
        order = np.argsort(first)
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        return Keys(rank[codes], tuple(self.names[code] for code in used[order]))

    def __len__(self) -> int:
        return len(self.codes)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> "Keys": ...
    def __getitem__(self, index: int | slice) -> "str | Keys":
        return self.take(index) if isinstance(index, slice) else self.names[self.codes[index]]

    def __iter__(self) -> Iterator[str]:
        names = self.names
        return (names[code] for code in self.codes.tolist())


class Popularity(Protocol):
    """How often each key is asked for."""

    def draw(self, requests: int, seed: int) -> Keys:
        """Return the keys of so many requests; equal seeds give equal keys."""
        ...


@dataclass(frozen=True)
class Zipf:
    """A few keys are asked for often, many rarely: the key of rank r with a weight of 1 ÷ (r + 1)^skew.

    Args:
        keys: their names, the most popular first; or how many there are, for names from ``key:0`` on.
        skew: 0 asks for all keys alike, 1 is typical of pages, more concentrates on a few.
    """

    keys: int | Sequence[str]
    skew: float = 1.0

    def draw(self, requests: int, seed: int) -> Keys:
        """Return the keys of so many requests.

        Raises:
            ValueError: there is no key, or the skew or the seed makes no sense.
        """
        names = _names(self.keys)
        return Keys(zipf_ranks(len(names), requests, skew=self.skew, seed=seed), names)


@dataclass(frozen=True)
class Uniform:
    """All keys are asked for alike.

    Args:
        keys: their names; or how many there are, for names from ``key:0`` on.
    """

    keys: int | Sequence[str]

    def draw(self, requests: int, seed: int) -> Keys:
        """Return the keys of so many requests; raises as :meth:`Zipf.draw`."""
        return Zipf(self.keys, 0.0).draw(requests, seed)


@dataclass(frozen=True)
class Replayed:
    """Keys are asked for as they were recorded: in their own order, from the first again when they have run out.

    Args:
        keys: the key of each recorded request.
    """

    keys: Sequence[str]

    def draw(self, requests: int, seed: int) -> Keys:  # noqa: ARG002 - nothing is left to chance
        """Return the keys of so many requests.

        Raises:
            ValueError: nothing was recorded.
        """
        recorded = Keys.of(self.keys)
        if not len(recorded) and requests:
            message = f"no key was recorded, to be replayed in {requests} requests"
            raise ValueError(message)
        return recorded.take(np.arange(requests) % max(1, len(recorded)))


@dataclass(frozen=True)
class Weighted:
    """Keys are asked for as often as was counted, independently of each other.

    Args:
        weights: key → how often, beside the others; a count or a share.
    """

    weights: dict[str, float]

    def draw(self, requests: int, seed: int) -> Keys:
        """Return the keys of so many requests.

        Raises:
            ValueError: there is no weight above 0, or one is negative or no number.
        """
        weights = np.array(list(self.weights.values()), dtype=np.float64)
        return Keys(draw(weights, requests, stream(seed, KEYS)), tuple(self.weights))


def zipf_ranks(keys: int, requests: int, *, skew: float, seed: int) -> Codes:
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
    return draw(zipf_weights(keys, skew), requests, stream(seed, KEYS))


def zipf_weights(keys: int, skew: float) -> NDArray[np.float64]:
    """Return the weights of so many keys, as :func:`zipf_ranks` draws them.

    Raises:
        ValueError: the skew makes no sense.
    """
    if not 0 <= skew < math.inf:
        message = f"skew must be a number from 0 upwards, not {skew}"
        raise ValueError(message)
    return 1.0 / np.arange(1, keys + 1, dtype=np.float64) ** skew


def draw(weights: NDArray[np.float64], requests: int, generator: np.random.Generator) -> Codes:
    """Draw a code for each request, as often as its weight says.

    Raises:
        ValueError: there is no weight above 0, or one is negative or no number.
    """
    if not np.all(np.isfinite(weights) & (weights >= 0)) or not weights.any():
        message = "weights must be numbers from 0 upwards, one of them above it"
        raise ValueError(message)
    return generator.choice(len(weights), size=requests, p=weights / weights.sum())


def _names(keys: int | Sequence[str]) -> tuple[str, ...]:
    return tuple(f"key:{number}" for number in range(keys)) if isinstance(keys, int) else tuple(keys)
