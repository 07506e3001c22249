"""Alerts fire and are resolved at the right sample of a scripted series, say so once, and never flap in between."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dousell_cache.measure.kpis import KPIS
from dousell_cache.monitor.alert_rules import Limits, limits_of, rules
from dousell_cache.monitor.alerts import Notice, State, alerts, step
from dousell_cache.monitor.figures import Sample

from .samples import at, blind, look

RULES = rules()
LOW, ACROSS, BACK = (0.70, 0.68, 0.72), (0.80, 0.78, 0.82), (0.84, 0.82, 0.86)


def played(series: Sequence[Sample], *, reminder: float = 4 * 3600) -> list[Notice]:
    """Return all that is said over a series of samples."""
    return [notice for said in spoken(series, reminder=reminder) for notice in said]


def spoken(series: Sequence[Sample], *, reminder: float = 4 * 3600) -> list[list[Notice]]:
    """Return what is said at each sample of a series."""
    states: dict[str, State] = {}
    said = []
    for sample in series:
        states, notices = step(states, sample, RULES, reminder=reminder)
        said.append(notices)
    return said


def story(series: Sequence[Sample]) -> list[tuple[str, str, str]]:
    """Return when what was said of which rule."""
    return [(notice.at, notice.kind, notice.rule) for notice in played(series)]


def test_when_all_is_well_nothing_is_said() -> None:
    """A day of good samples has no word, and no alert that was ever on."""
    series = [look(minute) for minute in range(0, 1440, 10)]
    assert played(series) == []
    states, _ = step({}, series[0], RULES)
    assert alerts(states, series[0], RULES) == []


def test_a_hit_rate_fires_and_is_resolved_by_its_whole_interval() -> None:
    """It fires at the first sample whose interval ends below 80 %, and is resolved at the first that begins above."""
    rates = [BACK, ACROSS, LOW, ACROSS, (0.79, 0.77, 0.7999), ACROSS, (0.81, 0.80, 0.82), LOW]
    series = [look(minute, hit_rate=rate) for minute, rate in enumerate(rates)]
    assert story(series) == [
        (at(2), "fired", "hit_rate"),
        (at(6), "resolved", "hit_rate"),
        (at(7), "fired", "hit_rate"),
    ]


@settings(database=None, derandomize=True, deadline=None)
@given(
    st.lists(st.sampled_from([ACROSS, (0.7999, 0.7, 0.9), (0.8001, 0.79, 0.81), (0.5, None, None), None]), max_size=40)
)
def test_inside_the_interval_nothing_changes(rates: list[tuple[float, float | None, float | None] | None]) -> None:
    """Whatever point lies on whichever side, as long as the interval straddles the limit or is missing."""
    quiet = [look(minute, hit_rate=rate) for minute, rate in enumerate(rates)]
    assert story(quiet) == []
    fired = [look(-1, hit_rate=LOW), *quiet]
    assert story(fired) == [(at(-1), "fired", "hit_rate")]


def test_the_limit_of_the_hit_rate_can_be_another() -> None:
    """It is the KPI file's."""
    sample = look(hit_rate=(0.7, 0.68, 0.72))
    assert [notice.rule for notice in step({}, sample, rules(Limits(hit_rate=0.72)))[1]] == []
    assert [notice.rule for notice in step({}, sample, rules(Limits(hit_rate=0.721)))[1]] == ["hit_rate"]


def test_the_usual_limit_is_the_kpi_files_alert_level() -> None:
    """Where the file has none, 80 %."""
    assert limits_of(KPIS) == Limits() == limits_of({})
    lower = msgspec.structs.replace(KPIS["hit_rate"], alert=0.55)
    assert limits_of({"hit_rate": lower}).hit_rate == 0.55


def test_memory_has_room_between_firing_and_resolved() -> None:
    """It fires above 90 %, and is resolved below 85 %: in between it stays as it is."""
    shares = [0.89, 0.901, 0.89, 0.91, 0.86, 0.849, 0.89]
    series = [look(minute, memory=share) for minute, share in enumerate(shares)]
    assert story(series) == [(at(1), "fired", "memory"), (at(5), "resolved", "memory")]


def test_a_limit_that_is_lifted_resolves_the_memory() -> None:
    """Without maxmemory nothing is full; where it is not told, nothing is known and nothing changes."""
    full, untold, unlimited = look(0, memory=0.95), look(1, memory=None), look(2, memory=0.95)
    assert unlimited.server
    unlimited.server.nodes[0].gauges["maxmemory"] = 0
    assert story([full, untold, unlimited]) == [(at(0), "fired", "memory"), (at(2), "resolved", "memory")]


def test_evictions_are_over_when_there_were_none_for_ten_minutes() -> None:
    """Now and then a few are one alert, not one each time."""
    evicted = {0: 5, 3: 2, 12: 1}
    series = [look(minute, evicted=evicted.get(minute, 0)) for minute in range(25)]
    assert story(series) == [(at(0), "fired", "evictions"), (at(22), "resolved", "evictions")]


def test_what_is_counted_over_a_window_is_back_when_the_window_is_clean() -> None:
    """An opened breaker, and locks that nobody could grant or that were lost, each by its own name."""
    series = [
        look(0, opened=2, locks={"granted": 9, "busy": 5}),
        look(1, opened=2, locks={"unavailable": 1}),
        look(2, locks={"lost": 1}),
        look(3),
    ]
    assert story(series) == [
        (at(0), "fired", "breaker"),
        (at(1), "fired", "lock_refusals"),
        (at(2), "resolved", "breaker"),
        (at(2), "resolved", "lock_refusals"),
        (at(2), "fired", "lost_locks"),
        (at(3), "resolved", "lost_locks"),
    ]


def test_replication_is_down_when_a_replica_is_missed_or_has_lost_its_primary() -> None:
    """A primary must have as many replicas as it had, a replica its link."""
    primary = [look(minute, replicas=number) for minute, number in enumerate([2, 1, 1, 2, 3, 2])]
    assert story(primary) == [
        (at(1), "fired", "replication"),
        (at(3), "resolved", "replication"),
        (at(5), "fired", "replication"),
    ]
    replica = [look(minute, replicas=0, link_up=up) for minute, up in enumerate([True, False, True])]
    assert story(replica) == [(at(1), "fired", "replication"), (at(2), "resolved", "replication")]


def test_hits_that_nobody_explains_fire() -> None:
    """Over two points either way, and until it is less than one."""
    series = [look(minute, points=points) for minute, points in enumerate([2.0, -2.1, 1.5, None, 0.9])]
    assert story(series) == [(at(1), "fired", "unexplained"), (at(4), "resolved", "unexplained")]


def test_a_server_that_cannot_be_seen_freezes_the_rest() -> None:
    """It is an alert itself; the others are not resolved, not repeated and not fired before it is seen again."""
    series = [
        look(0, hit_rate=LOW, memory=0.95),
        blind(1),
        blind(2),
        look(3, hit_rate=LOW, memory=0.5),
    ]
    assert story(series) == [
        (at(0), "fired", "hit_rate"),
        (at(0), "fired", "memory"),
        (at(1), "fired", "unseen"),
        (at(3), "resolved", "unseen"),
        (at(3), "resolved", "memory"),
    ]
    states, _ = step({}, series[0], RULES)
    states, _ = step(states, blind(300), RULES)
    told = {alert.name: alert for alert in alerts(states, blind(300), RULES)}
    assert told["hit_rate"].firing
    assert told["hit_rate"].message.endswith("alert below 80.0 %; not known now")
    assert told["hit_rate"].since == at(0)


def test_what_was_known_survives_a_blind_hour() -> None:
    """Neither figures of somewhere else nor a number of replicas to come back to is mixed up by a look that failed."""
    half_blind = msgspec.structs.replace(look(1, hit_rate=LOW), server=None, problem="the server hangs")
    series = [look(0, replicas=2), half_blind, blind(2), look(3, replicas=1)]
    assert story(series) == [
        (at(1), "fired", "unseen"),
        (at(3), "resolved", "unseen"),
        (at(3), "fired", "replication"),
    ]


def test_an_alert_that_lasts_is_repeated_at_the_reminders_interval_only() -> None:
    """Looked at every minute for nine hours, it is said at once and after four and eight; each has an id of its own."""
    said = played([look(minute, hit_rate=LOW) for minute in range(9 * 60)])
    assert [(notice.at, notice.kind) for notice in said] == [
        (at(0), "fired"),
        (at(240), "reminder"),
        (at(480), "reminder"),
    ]
    assert {notice.since for notice in said} == {at(0)}
    assert len({notice.id for notice in said}) == 3


def test_the_same_notice_has_the_same_id() -> None:
    """Whoever says it again after a crash says the same; another cache, another time, another word is another."""
    first, again = (played([look(0, hit_rate=LOW)])[0] for _ in range(2))
    assert first == again
    others = [
        played([look(1, hit_rate=LOW)])[0],
        played([look(0, hit_rate=LOW, environment="vercel")])[0],
        played([look(0, hit_rate=LOW), look(1, hit_rate=BACK)])[1],
        played([look(0, memory=0.95)])[0],
    ]
    assert len({first.id, *(notice.id for notice in others)}) == 5


@pytest.mark.parametrize("lost", [None, "hit_rate", "memory"])
def test_a_rule_that_is_new_has_no_past(lost: str | None) -> None:
    """States of rules that are not in the table are dropped, and a rule without a state begins with none."""
    states, _ = step({}, look(0, hit_rate=LOW, memory=0.95), RULES)
    fewer = {name: state for name, state in states.items() if name != lost} | {"gone": State(firing=True)}
    after, notices = step(fewer, look(1, hit_rate=LOW, memory=0.95), RULES)
    assert [notice.rule for notice in notices] == ([lost] if lost else [])
    assert set(after) == {rule.name for rule in RULES}


def test_a_notice_says_what_was_seen_and_what_to_do() -> None:
    """The figure with its interval, a likely cause and a next step; a resolved one needs neither."""
    fired, resolved = played([look(0, hit_rate=LOW), look(5, hit_rate=BACK)])
    assert fired.figure == "70.0 % (68.0 to 72.0 %, 1,000 reads in 1 h), alert below 80.0 %"
    assert fired.cause
    assert fired.step
    assert (resolved.kind, resolved.since, resolved.cause, resolved.step) == ("resolved", at(0), "", "")
    states, _ = step({}, look(0, hit_rate=LOW), RULES)
    states, _ = step(states, look(5, hit_rate=BACK), RULES)
    (told,) = alerts(states, look(5, hit_rate=BACK), RULES)
    assert (told.firing, told.since, told.message) == (False, at(0), f"Hit rate too low: resolved {at(5)}")
