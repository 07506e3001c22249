"""Two results are called different when they are, alike when nobody can tell, and not compared when they must not."""

from typing import Any

import msgspec
import numpy as np
import pytest

from benchmarks.comparing import TARGETS, runs_of
from benchmarks.comparing import result as simulated
from dousell_cache.errors import ConfigurationError
from dousell_cache.measure.compare import Comparison, DifferentHosts, Verdict, compare_results, verdict
from dousell_cache.measure.kpis import KPIS
from dousell_cache.measure.kpis import Verdict as Judged
from dousell_cache.measure.place import Place
from dousell_cache.measure.result import Host, Result
from dousell_cache.measure.stats import Interval

from .comparisons import FIGURES, HOST, OTHER, PARAMETERS, result, slower, times

RUNS = 300
MOST_FALSE_ALARMS = 29 / RUNS  # what 300 fair tosses of 5 % reach in 99.9 % of cases (binomial)


def compared(a: Result, b: Result) -> Comparison:
    """Compare two results by this suite's own targets."""
    return compare_results(a, b, targets=KPIS.keys())


def words(found: Comparison) -> dict[str, str]:
    """Return the word for each figure."""
    return {one.name: one.word for one in found.figures}


def test_what_is_slower_is_worse_and_the_other_way_round() -> None:
    """Twice the time is worse by a factor of 2 with an interval around it; half the time is better by the inverse."""
    found = compared(result(), slower(2))
    assert words(found) == {
        "hit_rate": "not significant",
        "p50_ms": "worse",
        "p95_ms": "worse",
        "speedup": "not significant",
    }
    p95 = found.figures[2]
    assert p95.scale == "ratio"
    assert p95.effect is not None
    assert p95.effect.value == pytest.approx(2)
    assert p95.effect.low is not None
    assert p95.effect.high is not None
    assert 1 < p95.effect.low < 2 < p95.effect.high
    assert words(compared(slower(2), result()))["p95_ms"] == "better"


def test_a_share_is_compared_by_its_difference() -> None:
    """A hit rate is better or worse by percentage points, and more of it is better."""
    low = result({**FIGURES, "hit_rate": Interval(0.80, 0.77, 0.83, 1_000)})
    one = compared(result(), low).figures[0]
    assert (one.word, one.scale) == ("worse", "difference")
    assert one.effect is not None
    assert one.effect.value == pytest.approx(-0.15)
    assert compared(low, result()).figures[0].word == "better"


def test_a_result_does_not_differ_from_itself() -> None:
    """The same figures twice: nothing is significant, every p value is 1, and small intervals are called alike."""
    found = compared(result(), result())
    assert {(one.word, one.p) for one in found.figures} == {("not significant", 1.0)}
    sharp = {"p95_ms": Interval(8.0, 7.9, 8.1, 90_000)}
    assert compared(result(sharp), result(sharp)).figures[0].note == "alike"


def test_what_cannot_be_said_is_not_said() -> None:
    """Too few samples, a zero, or a figure without a better side: the word is that nobody can say, and why."""
    few = {
        "p95_ms": Interval(8.0, samples=9),
        "p50_ms": Interval(0.0, 0.0, 1.0, 90),
        "queue": Interval(1.0, 0.9, 1.1, 90),
    }
    found = compared(result({**FIGURES, "queue": Interval(9.0, 8.0, 9.5, 90)}), result(few))
    assert {one.name: (one.word, one.note) for one in found.figures} == {
        "p50_ms": ("cannot say", "one of them is zero"),
        "p95_ms": ("cannot say", "too few samples"),
        "queue": ("cannot say", "no target says which side is better"),
    }


def test_a_doubted_figure_is_not_compared() -> None:
    """What a run could not decide about itself decides nothing about another; the doubt is the note."""
    doubt = [Judged(KPIS["p95_ms"], FIGURES["p95_ms"], "inconclusive", "the generator was late")]
    one = compared(result(), slower(2, verdicts=doubt)).figures[2]
    assert (one.word, one.note, one.p) == ("cannot say", "the generator was late", None)


def test_a_difference_that_hardly_matters_says_so() -> None:
    """With enough samples two per cent are significant; that they are small is said beside it."""
    sharp = Interval(2.0, 1.995, 2.005, 900_000)
    one = compared(result({"p50_ms": sharp}), result({"p50_ms": times(sharp, 1.02)})).figures[0]
    assert (one.word, one.note) == ("worse", "but small")


def test_figures_with_a_target_are_judged_together() -> None:
    """A p value that alone is below 5 % need not be, among several; one of another kind costs it nothing."""
    edge = {"p50_ms": times(FIGURES["p50_ms"], 1.075)}  # p = 0.04
    alone = compared(result({"p50_ms": FIGURES["p50_ms"]}), result(edge)).figures[0]
    among = compared(result(), result({**FIGURES, **edge})).figures[1]
    assert alone.p == among.p
    assert among.p is not None
    assert 0.02 < among.p < 0.05
    assert (alone.word, alone.p_adjusted) == ("worse", alone.p)
    assert (among.word, among.note) == ("not significant", "not among so many figures")
    other = {"p50_ms": FIGURES["p50_ms"], "speedup": FIGURES["speedup"]}
    assert compared(result(other), result({**other, **edge})).figures[0].word == "worse"


def test_results_of_different_machines_are_refused() -> None:
    """Two machines are not compared unless told; the sentence says how to insist, and insisting is a caveat."""
    with pytest.raises(
        DifferentHosts, match=r"different machines: \[5f0c81a9be77.*\[90bd00000000.*--across-hosts"
    ) as no:
        compared(result(), result(host=OTHER))
    assert isinstance(no.value, ConfigurationError)
    assert "\n" not in str(no.value)
    found = compare_results(result(), result(host=OTHER), targets=KPIS.keys(), across_hosts=True)
    assert "different machines" in found.caveats[0]


def test_older_results_are_told_apart_by_what_they_know() -> None:
    """Without an identity, another number of processors is another machine; else it is a caveat that nobody knows."""
    old = msgspec.structs.replace(HOST, id="")
    assert any("do not say which machine" in caveat for caveat in compared(result(host=old), result()).caveats)
    assert any("nobody noted" in caveat for caveat in compared(result(host=None), result(host=None)).caveats)
    with pytest.raises(DifferentHosts):
        compared(result(host=old), result(host=msgspec.structs.replace(old, cpus=64)))


@pytest.mark.parametrize(("one", "other"), [(None, HOST), (HOST, None)])
def test_a_machine_that_nobody_noted_is_another_one(one: Host | None, other: Host | None) -> None:
    """A result without a host is refused against one with, like that of another machine, unless somebody insists."""
    with pytest.raises(DifferentHosts, match=r"different machines: .*\[one that nobody noted\].*--across-hosts"):
        compared(result(host=one), result(host=other))
    found = compare_results(result(host=one), result(host=other), targets=KPIS.keys(), across_hosts=True)
    assert found.caveats[0].startswith("different machines")


COMMIT = "5f0c81a9be77" + "0" * 28


def near(**changes: Any) -> Place:
    """Return a place, with changes."""
    usual: dict[str, Any] = {"kind": "tcp", "server": "Valkey 9.1.2", "rtt_floor_ms": 0.2, "pings": 20}
    return Place(**{**usual, **changes})


HERE: dict[str, Any] = {"commit": COMMIT, "place": near()}


@pytest.mark.parametrize(
    ("changes", "caveat"),
    [
        ({"parameters": {**PARAMETERS, "ttl": 60.0}}, "ttl is 300.0 in A and 60.0 in B"),
        ({"parameters": {**PARAMETERS, "workers": 4}}, "workers is unset in A and 4 in B"),
        ({"parameters": {**PARAMETERS, "schedule": "90bd"}}, "their schedules differ"),
        (
            {"place": near(stolen=0.05)},
            "5.0% of the processor time went to other virtual machines during B",
        ),
        ({"commit": "0" * 40}, "the code differs: commit 5f0c81a9be in A and 0000000000 in B"),
        (
            {"commit": f"{COMMIT}-dirty"},
            "the code differs: commit 5f0c81a9be in A and 5f0c81a9be, with changes, in B",
        ),
        ({"commit": None}, "the code differs: commit 5f0c81a9be in A and unknown in B"),
        ({"emulated": ["Upstash"]}, "B is emulated in part, A is real: Upstash"),
        ({"place": near(tls=True)}, "TLS is off in A and on in B"),
        ({"place": near(region="iad1")}, "the region of the code is unknown in A and iad1 in B"),
        ({"place": near(cache_region="eu2")}, "the region of the cache is unknown in A and eu2 in B"),
        ({"place": near(server="Redis 8.2.1")}, "the server is Valkey 9.1.2 in A and Redis 8.2.1 in B"),
        (
            {"place": near(rtt_floor_ms=0.41)},
            "the cache is not equally far: a round trip takes at least 0.20 ms in A and 0.41 ms in B",
        ),
        (
            {"place": near(rtt_floor_ms=0.09)},
            "the cache is not equally far: a round trip takes at least 0.20 ms in A and 0.09 ms in B",
        ),
        ({"origin": "PostgreSQL"}, "the origins differ: Supabase and PostgreSQL"),
        ({"notebook": "09"}, "different notebooks measured"),
        ({"host": msgspec.structs.replace(HOST, python="3.14.0")}, "Python is 3.11.7 in A and 3.14.0 in B"),
        ({"host": msgspec.structs.replace(HOST, versions={"redis": "9"})}, "redis is 8.1.0 in A and 9 in B"),
    ],
)
def test_what_else_differs_is_a_caveat(changes: dict[str, Any], caveat: str) -> None:
    """Other parameters, requests, origins, code, emulation, ways or versions are each named in one sentence."""
    (told,) = compared(result(**HERE), result(**{**HERE, **changes})).caveats
    assert caveat in told


def test_changes_that_were_not_committed_may_differ() -> None:
    """Two runs with changes over the same commit may be of different code; two sides of one live run are not."""
    dirty = f"{COMMIT}-dirty"
    (told,) = compared(result(commit=dirty), result(commit=dirty, started="2026-11-23T00:00:00+00:00")).caveats
    assert told == "the code may differ: both had changes over commit 5f0c81a9be"
    assert compared(result(commit=dirty), result(commit=dirty)).caveats == []


def test_a_way_that_is_alike_or_unknown_is_no_caveat() -> None:
    """A round trip up to twice as long is no other way, and an older result that does not know its way says nothing."""
    for place in (near(rtt_floor_ms=0.39), near(rtt_floor_ms=0.11), near(kind="rest"), None):
        assert compared(result(**HERE), result(**{**HERE, "place": place})).caveats == []


def test_what_is_compared_on_purpose_is_no_caveat() -> None:
    """Another environment is the question; place, commit and emulated parts are carried on their side."""
    place = Place(kind="rest", tls=True, stolen=0.01)
    other = result(environment="vercel", place=place, commit="0" * 40, emulated=["Upstash"], cache="https://a.example")
    found = compared(result(parameters=PARAMETERS), other)
    assert [caveat.partition(":")[0] for caveat in found.caveats] == [
        "the code differs",
        "B is emulated in part, A is real",
    ]
    assert (found.b.place, found.b.commit, found.b.emulated, found.a.emulated) == (place, "0" * 40, ["Upstash"], [])


def test_raw_samples_are_compared_by_ranks() -> None:
    """Where they are kept, the response times themselves say how often B is slower."""
    generator = np.random.default_rng(1)
    first, second = generator.exponential(1, 400), 3 * generator.exponential(1, 400)
    found = compare_results(result(), result(), targets=KPIS.keys(), samples=(first, second)).ranks
    assert found is not None
    assert found.slower.value == pytest.approx(0.75, abs=0.05)
    assert found.p is not None
    assert found.p < 0.001
    assert compare_results(result(), result(), targets=(), samples=(first, first[:0])).ranks is None


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (["better", "not significant"], "no worse"),
        (["worse", "cannot say", "better"], "worse"),
        (["better", "cannot say"], "inconclusive"),
        ([], "inconclusive"),
        (["within", "regressed"], "worse"),
        (["within", "improved"], "no worse"),
        (["within", "too few earlier runs"], "inconclusive"),
    ],
)
def test_the_worst_figure_decides(found: list[str], word: Verdict) -> None:
    """One figure that is worse decides, else one that nobody can say; nothing compared is no pass."""
    assert verdict(found) == word


@pytest.mark.parametrize(("correlation", "length"), [(0.0, 500), (0.9, 2_000)])
def test_results_that_are_alike_are_seldom_called_different(correlation: float, length: int) -> None:
    """A/A: of all figures with a target together, at most about 5 % of comparisons find one that differs."""
    pairs = zip(runs_of(correlation, length, RUNS, 1, 1), runs_of(correlation, length, RUNS, 1, 2), strict=True)
    found = [compare_results(simulated(a), simulated(b), targets=TARGETS) for a, b in pairs]
    assert np.mean([bool({"better", "worse"} & set(words(one).values())) for one in found]) <= MOST_FALSE_ALARMS


def test_a_p95_ten_percent_up_is_called_worse() -> None:
    """With 2,500 samples a side it is found in four comparisons of five though three figures are judged (S4)."""
    pairs = zip(runs_of(0, 2_500, RUNS, 1, 1), runs_of(0, 2_500, RUNS, 1.1, 2), strict=True)
    found = [compare_results(simulated(a), simulated(b), targets=TARGETS) for a, b in pairs]
    assert np.mean([words(one)["p95_ms"] == "worse" for one in found]) >= 0.75  # 82.1 % of 2,000, see benchmarks
    assert np.mean(["worse" in words(one).values() for one in found]) >= 0.95
