"""Dousell's page mix: one table decides what is read, and what its updates withdraw; a seed decides the rest."""

import math
from collections import Counter

import numpy as np
import pytest

from dousell_cache.dousell.seed import generate
from dousell_cache.measure.pages import OWNERS, PAGES, PROPERTIES, Page, page_mix, page_of
from dousell_cache.measure.workload import INVALIDATE, READ, Schedule

from .docs.pages import ROOT

ARRIVALS = Schedule.daily(1_000, 100, seed=1)
MIX = page_mix(ARRIVALS, seed=1)
READS = [request for request in MIX if request.operation == "read"]
UPDATES = [request for request in MIX if request.operation == "invalidate"]


def test_the_times_to_live_are_the_site_s() -> None:
    """Home 5 minutes, property 1 hour, search 10 minutes, dashboard 30 minutes, slots 2 minutes."""
    minutes = {page.kind: page.ttl / 60 for page in PAGES}
    assert minutes == {"home": 5, "property": 60, "search": 10, "dashboard": 30, "slots": 2}


def test_reads_come_when_they_were_to_come() -> None:
    """The reads have the given times, all of them, in order."""
    assert [request.time for request in READS] == ARRIVALS.times.tolist()


def test_kinds_are_read_as_their_weights_say() -> None:
    """Each kind has its share of the reads, within four and a half standard deviations."""
    counts = Counter(page_of(request.key).kind for request in READS)
    for page in PAGES:
        expected = len(READS) * page.weight / sum(page.weight for page in PAGES)
        assert abs(counts[page.kind] - expected) < 4.5 * math.sqrt(expected)


def test_updates_come_as_often_as_the_table_says() -> None:
    """Per 1,000 reads of a kind, so many of its pages change, within four and a half standard deviations."""
    reads = Counter(page_of(request.key).kind for request in READS)
    changed = Counter(
        page_of(request.key).kind for request in UPDATES if page_of(request.key).kind in {"property", "slots"}
    )
    for page in PAGES:
        if page.kind in changed:
            expected = reads[page.kind] * page.updates / 1_000
            assert abs(changed[page.kind] - expected) < 4.5 * math.sqrt(expected)


def test_an_update_withdraws_every_page_that_shows_it() -> None:
    """A changed property is withdrawn at one moment from its page, the home page, two searches and a dashboard."""
    (first, *_) = (request for request in UPDATES if request.key.startswith("detail:"))
    together = [request.key for request in UPDATES if request.time == first.time]
    number = int(first.key.removeprefix("detail:"))
    assert together == [first.key, *PAGES[1].withdraws(number - 1)]
    assert [page_of(key).kind for key in together] == ["property", "home", "search", "search", "dashboard"]


def test_whatever_is_withdrawn_can_be_read() -> None:
    """Each key that an update withdraws is the key of a page."""
    keys = {page.key(rank) for page in PAGES for rank in range(page.keys)}
    for page in PAGES:
        assert {key for rank in range(page.keys) for key in page.withdraws(rank)} <= keys


def test_keys_are_distinct_and_as_many_as_the_table_says() -> None:
    """No two pages share a key, and the sizes are those of the site's data."""
    keys = [page.key(rank) for page in PAGES for rank in range(page.keys)]
    assert len(set(keys)) == len(keys) == sum(page.keys for page in PAGES)
    data = generate()
    assert (len(data.properties), len(data.owners)) == (PROPERTIES, OWNERS)


def test_keys_look_like_the_site_s() -> None:
    """The first key of each kind, as the site writes it."""
    first = [page.key(0) for page in PAGES]
    assert first == ["all_properties_public", "detail:1", "search:Dakar:any", "dashboard:1", "slots:1:2026-01-15"]


def test_updates_follow_the_day() -> None:
    """Where fewer read, less changes: updates have the distribution of the reads."""
    assert MIX.operations is not None
    moments = np.unique(MIX.times[MIX.operations == INVALIDATE])
    middle = np.median(MIX.times[MIX.operations == READ])
    earlier = (moments < middle).sum()
    assert abs(earlier - len(moments) / 2) < 4.5 * math.sqrt(len(moments) / 4)


def test_the_seed_decides_the_mix() -> None:
    """Equal seeds give equal digests, another seed another."""
    assert page_mix(ARRIVALS, seed=1).digest == MIX.digest != page_mix(ARRIVALS, seed=2).digest


def test_another_table_is_another_mix() -> None:
    """Rows can be replaced: what has no weight is not read, and nothing changes in what has no updates."""
    pages: list[Page] = [page._replace(updates=0, weight=page.weight if page.kind == "home" else 0) for page in PAGES]
    assert set(page_mix(ARRIVALS, seed=1, pages=pages)) == {
        (time, "all_properties_public", "read") for time in ARRIVALS.times
    }


def test_nobody_comes_to_an_empty_schedule() -> None:
    """Without arrivals there are no reads and no updates."""
    assert len(page_mix(Schedule.replay([]), seed=1)) == 0


def test_what_is_no_page_is_refused() -> None:
    """A key of no page, and weights of nothing, are refused in words."""
    with pytest.raises(ValueError, match="no page is kept under a key like 'payment:7'"):
        page_of("payment:7")
    with pytest.raises(ValueError, match="weights must be numbers"):
        page_mix(ARRIVALS, seed=1, pages=[PAGES[0]._replace(weight=0)])


def test_the_reference_shows_the_table() -> None:
    """The page about load has each kind with its numbers as they are."""
    shown = (ROOT / "docs" / "reference" / "load.md").read_text("utf-8")
    for page in PAGES:
        numbers = (page.ttl, page.weight, page.keys, page.skew, page.updates)
        assert f"| {page.kind} | " + " | ".join(map(str, map(plain, numbers))) + " |" in shown


def plain(number: float) -> float | int:
    """Return a whole number without its point."""
    return int(number) if number == int(number) else number
