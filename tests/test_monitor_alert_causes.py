"""The likely cause is chosen from the figures, and every alert has one with a next step."""

import pytest

from dousell_cache.monitor import alert_causes
from dousell_cache.monitor.alert_rules import rules
from dousell_cache.monitor.figures import FamilyMemory, Sample, ServerFigures

from .samples import blind, family, look

FAMILIES = (family("search", hits=10, misses=200), family("detail", hits=900, misses=20))
SPREAD = (family("search", hits=100, misses=100), family("detail", hits=100, misses=90), family("x", hits=9, misses=80))


@pytest.mark.parametrize(
    ("sample", "cause", "step"),
    [
        (look(evicted=1200, families=FAMILIES), "1,200 entries were evicted", "raise maxmemory before anything else"),
        (look(uptime=600, families=FAMILIES), "the server restarted 10 minutes ago", "cache.warm"),
        (look(outcomes={"hit": 80, "bypass": 20}), "20.0 % of the reads went to the origin", "dousell-cache check"),
        (
            look(outcomes={"hit": 90, "refused": 10}),
            "10.0 % of the reads were loads that an invalidation",
            "narrower tags",
        ),
        (look(families=FAMILIES), "the family search has 90.9 % of all misses, at a hit rate of 4.8 %", "longer ttl"),
        (look(families=SPREAD), "misses come from every family", "dousell-cache tune"),
        (look(), "misses come from every family", "dousell-cache tune"),
    ],
)
def test_a_low_hit_rate_is_explained_by_its_figures(sample: Sample, cause: str, step: str) -> None:
    """Evictions, a restart, bypasses, withdrawn loads, one family, or all of them: the surest sign first."""
    advice = alert_causes.low_hit_rate(sample)
    assert cause in advice.cause
    assert step in advice.step


def test_evictions_name_the_family_that_takes_the_memory() -> None:
    """Where the memory was looked at by family; a policy that evicts locks is named too."""
    sample = look(evicted=5, policy="volatile-ttl")
    assert sample.server
    families = (FamilyMemory("detail", 10, 100, 1e6, 900), FamilyMemory("search", 10, 100, 9e6, 900))
    server = ServerFigures(nodes=sample.server.nodes, families=families)
    advice = alert_causes.evictions(Sample(at=sample.at, environment="dedicated", cache="", server=server))
    assert "volatile-ttl" in advice.cause
    assert "the family search takes the most" in advice.cause
    assert "evicts held ones" in advice.cause
    assert "held ones" not in alert_causes.evictions(look(evicted=5)).cause


def test_a_full_memory_says_what_comes_next() -> None:
    """With noeviction writes are refused, otherwise entries are evicted."""
    assert "every write is refused" in alert_causes.memory(look(policy="noeviction")).cause
    assert "the next step is eviction (allkeys-lru)" in alert_causes.memory(look()).cause


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
@pytest.mark.parametrize("sample", [look(), look(points=5), blind(0), Sample(at="", environment="local", cache="")])
def test_every_alert_has_a_cause_and_a_step(sample: Sample, rule: object) -> None:
    """Whatever the sample tells, each rule can be explained, in pieces of a sentence."""
    advice = rule.explain(sample)  # type: ignore[attr-defined] # parametrised
    assert all(text and not text.endswith(".") for text in advice), advice
