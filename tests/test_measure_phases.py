"""A load with phases: which read belongs to which, when the breaker was open, what the cache itself cost."""

import math

import numpy as np
import pytest

from dousell_cache.events import Read
from dousell_cache.measure.load_result import LoadResult
from dousell_cache.measure.phases import Moved, Phase, open_during, openings, own_cost_ms, phase_of, phase_rows

TRIED_TWICE = [Moved(1.0, "open"), Moved(2.0, "half-open"), Moved(2.1, "open"), Moved(3.0, "half-open")]
AND_BACK = [*TRIED_TWICE, Moved(3.1, "closed"), Moved(5.0, "open")]


def test_a_read_belongs_to_the_phase_in_which_it_was_due() -> None:
    """Phases begin with their own first moment, and what is due at the very end belongs to the last one."""
    assert phase_of(np.array([0.0, 1.9, 2.0, 5.9, 6.0]), 2.0, 3).tolist() == [0, 0, 1, 2, 2]


def test_each_phase_counts_its_own_reads() -> None:
    """Outcomes, failures and times are those of the reads that were due in the phase, and no read is lost."""
    times, response = np.array([0.1, 0.2, 1.1, 1.2]), np.array([1.0, 3.0, 10.0, 30.0])
    load = LoadResult(response, response, np.zeros(4), ["hit", "miss", "error", "bypass"], [], times)
    well, ill = phase_rows((Phase("well"), Phase("ill", "refuse")), 1.0, load)
    assert (well.outcomes, well.unanswered, well.slowest_ms) == ({"hit": 1, "miss": 1}, 0, 3.0)
    assert (ill.outcomes, ill.unanswered, ill.p50_ms) == ({"error": 1, "bypass": 1}, 1, 20.0)


def test_a_failed_try_does_not_close_the_breaker() -> None:
    """It counts as open from its opening until it closes, tries included, and to the end where it never does."""
    assert openings(AND_BACK, 6.0) == [(1.0, 3.1), (5.0, 6.0)]
    assert open_during(np.array([0.5, 1.5, 2.05, 3.05, 4.0, 5.5]), AND_BACK).tolist() == [0, 1, 1, 1, 0, 1]


def test_a_breaker_that_never_moved_is_closed() -> None:
    """Without a move there is no opening, at no time."""
    assert openings([], 6.0) == []
    assert open_during(np.array([0.0, 5.0]), []).tolist() == [False, False]


@pytest.mark.parametrize(
    ("read", "cost"),
    [
        (Read("k", "hit", 0.002, 0.0, 1), 2.0),
        (Read("k", "bypass", 0.35, 0.3, 1), 50.0),
        (Read("k", "coalesced", 0.2, 0.0, 0), math.nan),
    ],
)
def test_what_the_cache_added_leaves_the_origin_out(read: Read, cost: float) -> None:
    """The loader's time is not the cache's, and a wait for another caller's load is neither's."""
    assert own_cost_ms(read) == pytest.approx(cost, nan_ok=True)
