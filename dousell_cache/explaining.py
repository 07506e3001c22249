"""Explain a key: what a read of it would find now, and why."""

from dataclasses import dataclass, field
from typing import Any, Literal

from .context import MISSING, Call
from .entries import State
from .errors import CacheError
from .events import Outcome
from .looking import Seen, look


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a read of a key would find.

    Args:
        key: the key.
        outcome: how a plain read would end: ``hit``, ``stale``, ``miss`` or ``bypass``.
        reason: why, in a sentence.
        age: seconds since the entry was stored; None if nobody can tell.
        fresh_for: seconds for which it will be fresh, negative if it is stale; None if nobody can tell.
        load_ms: how long its value took to load, in milliseconds.
        value: what it holds, as JSON's own types; MISSING if there is none.
        tags: its tags, and whether each moved since it was loaded.
        loading: whether somebody is loading it now, in any process.
        commands: commands that this explanation cost.
        seconds: time that they took.
    """

    key: str
    outcome: Outcome
    reason: str
    age: float | None = None
    fresh_for: float | None = None
    load_ms: float | None = None
    value: Any = field(default=MISSING, repr=False)
    tags: dict[str, Literal["unchanged", "moved"]] = field(default_factory=dict)
    loading: bool = False
    commands: int = 0
    seconds: float = 0.0


async def explain(call: Call, key: str) -> Explanation:
    """Say what a read of this key would find, and why; nothing is loaded and nobody is told."""
    seen = await look(call, key, Any, timed=True)
    outcome = _OUTCOMES[seen.state] if seen.serving else "bypass"
    holder, old = await _beside(call, key) if seen.serving else (None, None)
    entry, left_ms = seen.entry, seen.left_ms
    lasts = entry is not None and left_ms is not None and left_ms >= 0
    fresh_ms = left_ms - entry.grace_ms if entry and left_ms is not None and lasts else None
    return Explanation(
        key,
        outcome,
        _reason(seen, holder, old),
        age=(entry.ttl_ms - fresh_ms) / 1000 if entry and entry.ttl_ms and fresh_ms is not None else None,
        fresh_for=fresh_ms / 1000 if fresh_ms is not None else None,
        load_ms=entry.load_ms if entry else None,
        value=entry.value if entry else MISSING,
        tags={tag: "moved" if tag in seen.moved else "unchanged" for tag in (entry.tags or ())} if entry else {},
        loading=holder not in (None, _FAILED),
        commands=call.store.commands,
        seconds=call.seconds(),
    )


_FAILED = b"failed"
_OUTCOMES: dict[State, Outcome] = {"fresh": "hit", "stale": "stale", "old": "miss", "gone": "miss"}


async def _beside(call: Call, key: str) -> tuple[bytes | None, bytes | None]:
    try:
        return await call.store.beside(key)
    except CacheError:
        return None, None


def _reason(seen: Seen, holder: bytes | None, old: bytes | None) -> str:
    if not seen.serving:
        return "the cache cannot serve now, so the loader would answer"
    if seen.undecodable:
        return "what lies there is no entry, so it counts as nothing"
    if seen.moved:
        softly = ", softly: it may stand in for an origin that fails" if seen.state == "old" else ""
        return f"withdrawn by {', '.join(seen.moved)}{softly}"
    if seen.state == "stale":
        spared = ", and the origin failed a moment ago" if holder == _FAILED else ""
        return f"past its time, and within its grace{spared}"
    if seen.state == "fresh":
        return "there, and within its time"
    if old is not None:
        return "withdrawn softly: it may stand in for an origin that fails"
    return "nothing there, and somebody is loading it" if holder not in (None, _FAILED) else "nothing there"
