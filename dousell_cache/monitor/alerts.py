"""From sample to sample: which alerts fire, since when, and what is to be said of it. Pure; time comes with the sample.

An alert is said once when it fires, again at the reminder's interval while it lasts, and once when it is resolved.
While the server cannot be seen nothing is known of the others: they stay as they were, and are not resolved.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec

from .alert_rules import UNSEEN, Finding, Rule, Severity
from .figures import Alert, Sample

REMINDER_SECONDS = 4 * 3600.0
"""Four hours: twice in a working day, which is a reminder; every minute would be a reason to switch it off."""

Kind = Literal["fired", "reminder", "resolved"]


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one rule between two samples.

    Args:
        firing: whether it fires.
        since: when it began to; when it last did, once it is resolved; None if it never did.
        resolved: when it last was; None while it fires, or if it never did.
        figure: what was last seen, in words.
        known: whether the last sample told anything.
        beyond: when it was last beyond its limit.
        said: when it was last spoken of.
        reminders: how often it was, since it fired.
        kept: what its rule wants to be told.
    """

    firing: bool = False
    since: str | None = None
    resolved: str | None = None
    figure: str = ""
    known: bool = False
    beyond: str | None = None
    said: str | None = None
    reminders: int = 0
    kept: float | None = None


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Something to be said to somebody, once.

    Args:
        id: the same whenever the same is said, so that who receives it twice can tell.
        kind: ``fired``, ``reminder`` or ``resolved``.
        rule: which rule.
        label: what is wrong, in a few words.
        severity: how soon somebody should look.
        environment: where.
        cache: the cache's address, without credentials.
        emulated: what is imitated there; "" when all is real.
        at: of the sample, UTC, ISO 8601.
        since: when it began.
        figure: what was seen.
        cause: the likely cause; "" when it is resolved.
        step: what to do next; "" likewise.
    """

    id: str
    kind: Kind
    rule: str
    label: str
    severity: Severity
    environment: str
    cache: str
    emulated: str
    at: str
    since: str
    figure: str
    cause: str = ""
    step: str = ""


States = Mapping[str, State]
"""By rule."""


def step(
    states: States, sample: Sample, rules: Sequence[Rule], *, reminder: float = REMINDER_SECONDS
) -> tuple[dict[str, State], list[Notice]]:
    """Return what is known after a sample, and what is to be said.

    Args:
        states: what was known before; rules that are not in it never fired.
        sample: the look.
        rules: the table.
        reminder: seconds after which an alert that lasts is spoken of again; default :data:`REMINDER_SECONDS`.
    """
    frozen = any(rule.name == UNSEEN and rule.look(sample, None).word == "beyond" for rule in rules)
    after, notices = {}, []
    for rule in rules:
        before = states.get(rule.name, State())
        if frozen and rule.name != UNSEEN:
            after[rule.name] = msgspec.structs.replace(before, known=False)
            continue
        state = _judged(before, rule, rule.look(sample, before.kept), sample.at)
        kind = _kind(before, state, sample.at, reminder)
        if kind:
            reminders = state.reminders + 1 if kind == "reminder" else 0
            state = msgspec.structs.replace(state, said=sample.at, reminders=reminders)
            notices.append(_notice(kind, rule, state, sample))
        after[rule.name] = state
    return after, notices


def set_right(states: States, at: str) -> dict[str, State]:
    """Return what was known, after a clock that was ahead: nothing of it is later than now, and what fires is unsaid.

    Args:
        states: what was known by that clock.
        at: now, of the sample.
    """

    def not_later(then: str | None) -> str | None:
        return at if then and moment(then) > moment(at) else then

    return {
        name: msgspec.structs.replace(
            state,
            since=not_later(state.since),
            resolved=not_later(state.resolved),
            beyond=not_later(state.beyond),
            said=None,
        )
        for name, state in states.items()
    }


def _judged(before: State, rule: Rule, found: Finding, at: str) -> State:
    """Return a rule's state after a finding, what is said of it apart."""
    if found.word == "unknown":
        return msgspec.structs.replace(before, known=False, kept=found.kept)
    state = msgspec.structs.replace(before, known=True, figure=found.figure, kept=found.kept)
    if found.word == "beyond":
        began = {} if before.firing else {"firing": True, "since": at, "resolved": None}
        return msgspec.structs.replace(state, beyond=at, **began)
    calm = found.word == "back" and _seconds(before.beyond, at) >= rule.quiet
    return msgspec.structs.replace(state, firing=False, resolved=at) if before.firing and calm else state


def _kind(before: State, state: State, at: str, reminder: float) -> Kind | None:
    if before.firing != state.firing:
        return "fired" if state.firing else "resolved"
    return "reminder" if state.firing and state.known and _seconds(state.said, at) >= reminder else None


def _seconds(earlier: str | None, later: str) -> float:
    """Return the seconds between two moments in ISO 8601; from never, all the time there is."""
    if earlier is None:
        return float("inf")
    return (moment(later) - moment(earlier)).total_seconds()


def moment(text: str) -> datetime:
    """Return a moment in ISO 8601, which without a zone is UTC."""
    read = datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def _notice(kind: Kind, rule: Rule, state: State, sample: Sample) -> Notice:
    since = state.since or sample.at
    told = (sample.environment, sample.cache, sample.namespace, rule.name, since, kind, str(state.reminders))
    advice = rule.explain(sample) if kind != "resolved" else None
    return Notice(
        id=hashlib.sha256("\n".join(told).encode()).hexdigest()[:32],
        kind=kind,
        rule=rule.name,
        label=rule.label,
        severity=rule.severity,
        environment=sample.environment,
        cache=sample.cache,
        emulated=sample.emulated,
        at=sample.at,
        since=since,
        figure=state.figure,
        cause=advice.cause if advice else "",
        step=advice.step if advice else "",
    )


def alerts(states: States, sample: Sample, rules: Sequence[Rule]) -> list[Alert]:
    """Return what a sample carries of its alerts: those that fire, and those that did and are resolved."""
    spoken = ((rule, states[rule.name]) for rule in rules if rule.name in states)
    return [
        Alert(rule.name, state.firing, state.since, _message(rule, state, sample))
        for rule, state in spoken
        if state.since is not None
    ]


def _message(rule: Rule, state: State, sample: Sample) -> str:
    if not state.firing:
        return f"{rule.label}: resolved {state.resolved}"
    if not state.known:
        return f"{rule.label}: {state.figure}; not known now"
    advice = rule.explain(sample)
    return f"{rule.label}: {state.figure}. Likely cause: {advice.cause}. Next: {advice.step}."
