"""What the figures of all reads are made of, in words and cells."""

import numpy as np

from dousell_cache.measure.mixture import mixture
from dousell_cache.reporting.mixture_tables import mixture_reading, mixture_table

FEW_HITS = mixture(np.array([1.0] * 900 + [300.0] * 100), ["hit"] * 900 + ["miss"] * 100)


def test_each_way_says_what_it_adds() -> None:
    """A row has the way's share, its own mean, its part of the mean of all, and of the slowest twentieth."""
    assert mixture_table(FEW_HITS).rows[1][:4] == ("miss", "10.0 %", "300 ms", "30.0 ms")


def test_the_reading_says_whose_p95_is() -> None:
    """With 90 % hits P95 is a miss's, and 95 % are needed for it to be a hit's; without misses nothing is needed."""
    reading = mixture_reading(FEW_HITS)
    assert "P95 (300 ms) lies on the path of miss: 100.0 % of the reads around it." in reading
    assert "From a hit rate of 95.0 % on, P95 would be a hit's." in reading
    assert "From a hit rate" not in mixture_reading(mixture(np.ones(9), ["hit"] * 9))
