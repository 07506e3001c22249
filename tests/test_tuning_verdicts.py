"""What is said of an experiment's arms."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from dousell_cache import ConfigurationError
from dousell_cache.tuning.arms import CLUSTERS, Sums, Table
from dousell_cache.tuning.verdicts import Guardrails, judged, tripped


def table(*arms: Sums) -> Table:
    """Return sums that are the same in every group of an arm."""
    return {("during", arm, group): sums for arm, sums in enumerate(arms) for group in range(CLUSTERS)}


@pytest.mark.parametrize(
    ("second", "finding", "sentence"),
    [
        (
            Sums(1000, 896, loads=104),
            "alike",
            "60s keeps the hit rate of 300s within the margin: -0.4 points (-0.4 to -0.4), with 1.04 times its",
        ),
        (Sums(1000, 850, loads=150), "worse", "60s has a lower hit rate than 300s: -5.0 points"),
        (Sums(1000, 950, loads=50), "better", "60s has a higher hit rate than 300s: +5.0 points"),
    ],
)
def test_a_verdict_is_a_sentence_with_an_interval(second: Sums, finding: str, sentence: str) -> None:
    """Each finding says by how much, within which interval, and what it costs the origin."""
    (verdict,) = judged(table(Sums(1000, 900, loads=100), second), ("300s", "60s"), 0.01, {})
    assert (verdict.finding, verdict.reads) == (finding, 64_000)
    assert str(verdict).startswith(sentence)


def test_what_cannot_be_told_is_not() -> None:
    """Groups that differ as much as arms leave it undecided, and no reads say that there were none."""
    uneven = {
        ("during", arm, group): Sums(100, 50 + (group * 37 + arm * 11) % 50, loads=20)
        for arm in (0, 1)
        for group in range(CLUSTERS)
    }
    (undecided,) = judged(uneven, ("300s", "60s"), 0.001, {})  # type: ignore[arg-type]  # the phase is a literal
    assert (undecided.finding, str(undecided)[:28]) == ("undecided", "60s against 300s: undecided ")
    (nothing,) = judged({}, ("300s", "60s"), 0.01, {})
    assert str(nothing) == "60s against 300s: too few keys were read to say (0 reads)"
    assert math.isnan(nothing.origin)


@pytest.mark.parametrize(
    ("sums", "reason"),
    [
        (Sums(1000, 900, loads=100), None),
        (Sums(1000, 900, stale=60, loads=100), "more than 5.0% of its reads are stale, and more than of those of 300s"),
        (Sums(1000, 900, loads=100, errors=12), "more than 1.0% of its reads fail, and more than of those of 300s"),
        (Sums(1000, 700, loads=300), "more than 2 times the origin calls of 300s"),
    ],
)
def test_a_guardrail_stops_an_arm(sums: Sums, reason: str | None) -> None:
    """An arm that is proved to be beyond one of the three limits is stopped, and told why; one within them is not."""
    told = tripped(table(Sums(1000, 900, loads=100), sums), ("300s", "60s"), Guardrails())
    assert told.get("60s") == reason
    (verdict,) = judged(table(Sums(1000, 900), sums), ("300s", "60s"), 0.01, told)
    assert (verdict.finding == "stopped") == (reason is not None)
    assert reason is None or str(verdict) == f"60s was stopped: {reason}"


def looks(seed: int, failing: Sequence[float]) -> Iterator[Table]:
    """Yield an experiment's sums at ten looks: groups of keys that differ much, and such a share of failures an arm.

    Half of the failures are answered by an old value.
    """
    generator = np.random.default_rng(seed)
    size = generator.pareto(2.0, (len(failing), CLUSTERS)) + 0.2
    usual = generator.beta(8, 2, size.shape)
    counts = np.zeros((5, *size.shape), np.int64)
    for _ in range(10):
        reads = generator.poisson(60 * size)
        failed = generator.binomial(
            reads, np.minimum(np.array(failing)[:, None] * generator.uniform(0.5, 1.5, size.shape), 1)
        )
        loads = generator.binomial(reads - failed, 1 - usual) + failed
        counts += np.array([reads, reads - loads, failed // 2, loads, failed])
        yield {
            ("during", arm, group): Sums(*counts[:, arm, group].tolist())
            for arm in range(len(failing))
            for group in range(CLUSTERS)
        }


@pytest.mark.parametrize("outage", [0.0, 0.05, 0.4])
def test_an_outage_of_all_arms_stops_none(outage: float) -> None:
    """While the origin fails for all arms alike, none is stopped, at any look."""
    for seed in range(20):
        for table in looks(seed, [outage] * 3):
            assert tripped(table, ("300s", "60s", "30s"), Guardrails()) == {}


@pytest.mark.parametrize("outage", [0.0, 0.05, 0.4])
def test_a_bad_arm_is_stopped_alone(outage: float) -> None:
    """An arm that fails far more often than the others is stopped, during an outage too, and no other is."""
    for seed in range(20):
        found = [
            tripped(table, ("300s", "60s", "30s"), Guardrails())
            for table in looks(seed, [outage, outage, outage + 0.3])
        ]
        assert set().union(*found) == {"30s"}


def test_noise_stops_nothing() -> None:
    """A share beyond its limit by less than its error stops no arm."""
    noisy = {("during", arm, 0): Sums(100, 50, loads=50) for arm in (0, 1)} | {
        ("during", arm, group): Sums(100, 90, loads=10, errors=5 * (group == 7))
        for arm in (0, 1)
        for group in range(1, 64)
    }
    assert tripped(noisy, ("300s", "60s"), Guardrails(errors=0.0005)) == {}  # type: ignore[arg-type]  # literals


def test_a_limit_without_sense_is_refused() -> None:
    """A guardrail at zero would stop every arm."""
    with pytest.raises(ConfigurationError, match="the guardrail stale must be above 0, not 0"):
        Guardrails(stale=0)
