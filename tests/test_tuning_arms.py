"""Arms of an experiment: which key is in which, and what is counted."""

from collections import Counter

import pytest

from dousell_cache.events import Event, Invalidation, Read, Write
from dousell_cache.tuning.arms import CLUSTERS, Sums, added, place, sums_of


def test_a_key_keeps_its_arm() -> None:
    """A key's place is the same in every process and version, and another in another experiment."""
    assert place("detail:7", "ttl", 2) == (1, 50)
    moved = sum(place(f"detail:{key}", "ttl", 2).arm != place(f"detail:{key}", "ttl2", 2).arm for key in range(1000))
    assert 400 < moved < 600


def test_arms_and_groups_are_of_equal_size() -> None:
    """Keys are spread evenly over arms, and over the groups within each."""
    places = [place(f"detail:{key}", "ttl", 3) for key in range(30_000)]
    assert all(9_500 < count < 10_500 for count in Counter(one.arm for one in places).values())
    groups = Counter(places)
    assert len(groups) == 3 * CLUSTERS
    assert all(90 < count < 230 for count in groups.values())


@pytest.mark.parametrize(
    ("event", "sums"),
    [
        (Read("a", "hit", 0.0, 0.0, 1), Sums(reads=1, hits=1)),
        (Read("a", "miss", 0.3, 0.3, 3), Sums(reads=1, loads=1)),
        (Read("a", "miss", 0.001, 0.0, 1), Sums(reads=1)),
        (Read("a", "coalesced", 0.3, 0.0, 3), Sums(reads=1)),
        (Read("a", "stale", 0.0, 0.0, 1), Sums(reads=1, stale=1)),
        (Read("a", "stale", 0.3, 0.3, 3, failure="OSError"), Sums(reads=1, stale=1, loads=1, errors=1)),
        (Read("a", "error", 0.3, 0.3, 3, failure="OSError"), Sums(reads=1, loads=1, errors=1)),
        (Write("a", True, 0.3, 2, refresh=True, load_seconds=0.3), Sums(loads=1)),
        (Write("a", True, 0.0, 1), Sums()),
        (Invalidation(("a",), True, 0.0, 1), Sums()),
    ],
)
def test_what_an_event_adds(event: Event, sums: Sums) -> None:
    """Reads count by how they were answered, loads also where they ran in the background, failures once."""
    assert sums_of(event) == sums


def test_sums_of_processes_add_up() -> None:
    """Tables of several processes make one, group by group."""
    first, second = {("during", 0, 1): Sums(2, 1)}, {("during", 0, 1): Sums(3, 1), ("before", 0, 1): Sums(1)}
    assert added([first, second]) == {("during", 0, 1): Sums(5, 2), ("before", 0, 1): Sums(1)}  # type: ignore[list-item]  # literals
