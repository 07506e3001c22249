"""Numbers, moments and sentences in the language of a page."""

import msgspec
import pytest

from dousell_cache.measure.kpis import KPIS, judge
from dousell_cache.measure.place import Place
from dousell_cache.measure.stats import Interval
from dousell_cache.reporting import formatting, tables
from dousell_cache.reporting.wording import ENGLISH, Wording

FRENCH = Wording("fr")


@pytest.mark.parametrize(
    ("value", "unit", "written"),
    [
        (1234.5, "ms", "1\u202f234\u00a0ms"),
        (12.34, "ms", "12,3\u00a0ms"),
        (0.9715, "%", "97,2\u00a0%"),
        (15.113, "×", "15,1×"),
        (float("nan"), "ms", "aucune valeur"),
    ],
)
def test_numbers_have_the_signs_of_their_language(value: float, unit: str, written: str) -> None:
    """French has a comma, thin spaces and no break before a unit; English is as in every table."""
    assert FRENCH.number(value, unit) == written
    assert ENGLISH.number(value, unit) == tables.number(value, unit)


def test_intervals_and_targets_are_those_of_tables() -> None:
    """An English page writes intervals, targets and counts as notebooks do; a French one says the same."""
    figure, few = Interval(0.9715, 0.951, 0.983, 2000), Interval(0.95, None, None, 3)
    verdict = judge(KPIS["double_payments"], Interval(1 / 1200, 0.0, 0.05, 1200))
    for found in (figure, few):
        assert ENGLISH.interval(found, "%") == tables.interval(found, "%")
    for kpi in KPIS.values():
        assert ENGLISH.target(kpi) == tables.target(kpi)
    assert ENGLISH.seen(verdict) == tables.seen(verdict) == "1 of 1,200"
    assert FRENCH.interval(figure, "%") == "95,1 à 98,3\u00a0%"
    assert FRENCH.interval(few, "%") == "trop peu de mesures"
    assert FRENCH.seen(verdict) == "1 sur 1\u202f200"
    assert FRENCH.target(KPIS["double_payments"]) == "aucun, borne < 3,0\u00a0%"


def test_moments_are_written_as_one_says_them() -> None:
    """A moment is in UTC, its month a word of the language; one that is not known is said to be so."""
    moment = "2026-11-22T20:30:00+01:00"
    assert ENGLISH.moment(moment) == formatting.when(moment) == "22 November 2026, 19:30 UTC"
    assert FRENCH.moment(moment) == "22 novembre 2026 à 19:30 UTC"
    assert (ENGLISH.month(moment), FRENCH.month(moment)) == ("November 2026", "novembre 2026")
    assert (ENGLISH.moment(""), FRENCH.month("")) == ("At an unknown time", "À une date inconnue")


def test_one_and_many_differ() -> None:
    """One run is a run; French has no plural for none either."""
    assert ENGLISH.count("index.runs_alike_", 1) == "1 run"
    assert ENGLISH.count("index.runs_alike_", 0) == "0 runs"
    assert FRENCH.count("index.runs_alike_", 0) == "0 rapport"
    assert FRENCH.count("index.runs_alike_", 1200) == "1\u202f200 rapports"


def test_what_is_put_in_is_text() -> None:
    """The catalogue's tags stay tags, those of a value become text, and a sign stays with its word."""
    said = FRENCH.say("environment.doubt", label="<b>", doubt="x")
    assert said == "<strong>&lt;b&gt; n'est pas tranché\u00a0:</strong> x."


def test_a_target_of_ones_own_keeps_its_name() -> None:
    """A label from a user's file is not translated; ours is."""
    own = msgspec.structs.replace(KPIS["p95_ms"], label="Checkout, P95")
    assert (FRENCH.kpi(KPIS["p95_ms"]), FRENCH.kpi(own)) == ("Temps de réponse P95", "Checkout, P95")


def test_a_distance_is_the_one_of_tables() -> None:
    """How far a cache is, an English page says as tables do."""
    place = Place(kind="rest", tls=True, region="cdg1", rtt_floor_ms=4.2, rtt_median_ms=5.0, pings=20)
    assert ENGLISH.distance(place) == formatting.distance(place)
    assert FRENCH.distance(place) == "un aller-retour prend au moins 4,20\u00a0ms (20 pings, TLS, depuis cdg1)"


def test_a_text_that_is_not_there_is_an_error() -> None:
    """A wrong key, or a value that is left out, is found when the page is made."""
    with pytest.raises(KeyError):
        ENGLISH.say("headline.nothing")
    with pytest.raises(KeyError):
        ENGLISH.plain("headline.unreachable")
