"""Dousell's pages as a workload: one table of what is read, how often, for how long it is kept, and what withdraws it.

The times to live are the site's own design. All else in the table is an assumption, made from what a rental site does
and not measured on one: replace rows (``page._replace(weight=…)``), or record real traffic and replay that. Pure.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..dousell.receipts import slots_key
from ..dousell.seed import EPOCH, KINDS, TOWNS
from .arrivals import KEYS, UPDATES, stream
from .arrivals import KINDS as KINDS_STREAM
from .popularity import Keys, draw, zipf_weights
from .workload import INVALIDATE, READ, Schedule

PROPERTIES, OWNERS, DAYS = 2_000, 201, 7  # the size of Dousell, and how many days ahead visits are offered
_ALL = "any"


class Page(NamedTuple):
    """One kind of page.

    Args:
        kind: its name.
        ttl: seconds for which it is kept.
        weight: how many of a hundred reads are of this kind; only the ratios matter.
        keys: how many different pages there are.
        skew: how much the reads concentrate on a few of them, as for :class:`~.popularity.Zipf`.
        updates: how often one of them changes, per 1,000 reads of the kind; which one is left to chance.
        key: rank → the key under which a page is kept, the most popular first.
        withdraws: rank → the keys of the other pages that show what changed.
    """

    kind: str
    ttl: float
    weight: float
    keys: int
    skew: float
    updates: float
    key: Callable[[int], str]
    withdraws: Callable[[int], list[str]]


def _home(_rank: int) -> str:
    return "all_properties_public"


def _property(rank: int) -> str:
    return f"detail:{rank + 1}"


def _search(rank: int) -> str:
    town, kind = divmod(rank, len(KINDS) + 1)
    return f"search:{TOWNS[town].name}:{[_ALL, *(each.name for each in KINDS)][kind]}"


def _dashboard(rank: int) -> str:
    return f"dashboard:{rank + 1}"


def _slots(rank: int) -> str:
    number, day = divmod(rank, DAYS)
    return slots_key(number + 1, (EPOCH + timedelta(days=day)).date())


def _showing_property(rank: int) -> list[str]:
    """Return the home page, the searches that find a property, and its owner's dashboard."""
    town, kind = TOWNS[rank % len(TOWNS)].name, KINDS[rank % len(KINDS)].name
    return [_home(0), f"search:{town}:{_ALL}", f"search:{town}:{kind}", _dashboard(rank % OWNERS)]


def _showing_slots(rank: int) -> list[str]:
    """Return the dashboard of the owner whose property is visited."""
    return [_dashboard(rank // DAYS % OWNERS)]


def _nothing(_rank: int) -> list[str]:
    return []


# fmt: off
PAGES = (
    #    kind         TTL    weight  keys                          skew  updates  key         withdraws
    Page("home",        300, 20,     1,                            0.0,   0,      _home,      _nothing),
    Page("property",  3_600, 45,     PROPERTIES,                   1.0,   2,      _property,  _showing_property),
    Page("search",      600, 25,     len(TOWNS) * (len(KINDS) + 1), 0.9,   0,      _search,    _nothing),
    Page("dashboard", 1_800,  4,     OWNERS,                       0.5,  20,      _dashboard, _nothing),
    Page("slots",       120,  6,     PROPERTIES * DAYS,            1.0,  20,      _slots,     _showing_slots),
)
# fmt: on
"""What Dousell's visitors read. A changed property is also on the home page, in two searches and on a dashboard."""


def page_mix(arrivals: Schedule, *, seed: int, pages: Sequence[Page] = PAGES) -> Schedule:
    """Return reads of a site's pages at given times, and between them the invalidations that its updates send.

    Args:
        arrivals: when pages are read; updates come as often where reads do.
        seed: of which pages are read, and what is updated when.
        pages: the table.

    Returns:
        A schedule with more requests than arrivals: an update is one request for each key it withdraws, at one time.

    Raises:
        ValueError: the weights are no weights, or the seed makes no sense.
    """
    weights = np.array([page.weight for page in pages], dtype=np.float64)
    kinds = draw(weights, len(arrivals), stream(seed, KINDS_STREAM))
    read = _read_keys(kinds, pages, seed)
    moments, withdrawn = _updates(arrivals.times, np.bincount(kinds, minlength=len(pages)), pages, seed)
    times = np.concatenate((arrivals.times, moments))
    order = np.argsort(times, kind="stable")
    names = tuple(dict.fromkeys((*read.names, *withdrawn)))
    numbers = {name: number for number, name in enumerate(names)}
    codes = np.concatenate((read.codes, np.array([numbers[key] for key in withdrawn], np.int64)))
    operations = np.repeat(np.array([READ, INVALIDATE], np.uint8), [len(arrivals), len(withdrawn)])
    return Schedule(times[order], Keys(codes[order], names), operations[order])


def page_of(key: str, pages: Sequence[Page] = PAGES) -> Page:
    """Return the kind of page that a key belongs to, by what stands before its first colon.

    Raises:
        ValueError: no page has such a key.
    """
    for page in pages:
        if page.key(0).partition(":")[0] == key.partition(":")[0]:
            return page
    message = f"no page is kept under a key like {key!r}"
    raise ValueError(message)


def _read_keys(kinds: NDArray[np.int64], pages: Sequence[Page], seed: int) -> Keys:
    codes, names = np.empty(len(kinds), np.int64), list[str]()
    for number, page in enumerate(pages):
        places = np.flatnonzero(kinds == number)
        # Each kind has draws of its own: one more read of the home page changes no other kind's keys.
        ranks = draw(zipf_weights(page.keys, page.skew), len(places), stream(seed, KEYS, number))
        codes[places] = len(names) + ranks
        names += map(page.key, range(page.keys))
    return Keys(codes, tuple(names))


def _updates(
    times: NDArray[np.float64], reads: NDArray[np.int64], pages: Sequence[Page], seed: int
) -> tuple[NDArray[np.float64], list[str]]:
    """Return when what is withdrawn: a time and a key for each invalidation."""
    generator = stream(seed, UPDATES)
    moments: list[float] = []
    withdrawn: list[str] = []
    for page, count in zip(pages, reads.tolist(), strict=True):
        changes = generator.poisson(page.updates / 1_000 * count)
        ranks = generator.integers(page.keys, size=changes).tolist()
        for moment, rank in zip(_between(times, generator.random(changes)), ranks, strict=True):
            keys = [page.key(rank), *page.withdraws(rank)]
            withdrawn += keys
            moments += [moment] * len(keys)
    return np.array(moments, np.float64), withdrawn


def _between(times: NDArray[np.float64], shares: NDArray[np.float64]) -> Iterator[float]:
    """Yield the moments at which these shares of the arrivals are past."""
    if len(shares):
        yield from np.interp(shares * (len(times) - 1), np.arange(len(times)), times).tolist()
