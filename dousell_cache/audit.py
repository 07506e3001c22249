"""The start-up audit: what a server's settings mean for a held lock, and for a value that was invalidated.

Pure: from what the server told to findings and what follows from them. What it does not tell is "unknown" and taken to
be possible; what only its makers say is marked as theirs. Sources, by the letter in the comments:

[U] https://upstash.com/docs/redis/commands/server/info and …/config-get: what Upstash tells
[S] https://upstash.com/docs/redis/features/eviction, …/durability, …/consistency, …/replication: what it says of itself
[V] INFO as servers answer it: Redis 7.0 and Valkey 9.1 by our own tests, Upstash, Dragonfly and KeyDB by public records
"""

import re
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

import msgspec

from .inquiry import Told

Level = Literal["ok", "note", "warning"]
Figures = Mapping[str, str]

UNKNOWN = "unknown"
_PERHAPS = "perhaps "
_NUMBER = re.compile(r"[0-9]{1,15}")


class Finding(msgspec.Struct, frozen=True):
    """One thing that the server told, or did not.

    Args:
        name: what was asked about.
        value: as the server tells it; ``unknown`` where it does not.
        level: ``ok``, ``note`` (to be known) or ``warning`` (to be changed).
        meaning: what it means for a lock and what to do, in one sentence.
    """

    name: str
    value: str
    level: Level
    meaning: str


class Guarantee(msgspec.Struct, frozen=True):
    """What follows from the findings, in a sentence each.

    Args:
        locks: what may make the server forget a held lock.
        cache: what may bring an invalidated value back.
    """

    locks: str
    cache: str


class Audit(msgspec.Struct, frozen=True):
    """What a server means for locks and for the cache.

    Args:
        findings: in the order of the questions.
        guarantee: what follows from them.
    """

    findings: tuple[Finding, ...]
    guarantee: Guarantee


class _Part(NamedTuple):
    """A finding, its words in the guarantee, and what may make the server forget a lock or an invalidation."""

    finding: Finding
    words: str = ""
    forgets: str = ""
    brings_back: str = ""


def audit(told: Told) -> Audit:
    """Judge what a server told.

    Args:
        told: see :func:`dousell_cache.inquiry.ask`.
    """
    figures = told.figures
    maker, version = _maker(figures)
    eviction = _eviction(figures, maker)
    persistence = _persistence(figures, maker)
    replicas = _replicas(figures, maker)
    findings = (
        _server(maker, version),
        *(part.finding for part in (eviction, persistence, replicas)),
        *_cluster(told),
        _clock(told.ahead),
        *_permissions(told.unanswered),
    )
    return Audit(findings, _guarantee(figures, eviction, persistence, replicas))


# --- which server it is

_TESTED = "the tests run on Redis 7.0 and Valkey 9.1"
_OLDEST_REDIS = (7, 0)
# These also tell a redis_version, the one that they are compatible with [V].
_MAKERS = {"upstash_version": "Upstash", "dragonfly_version": "Dragonfly", "valkey_version": "Valkey"}


def _maker(figures: Figures) -> tuple[str, str]:
    for field, maker in _MAKERS.items():
        if field in figures:
            return maker, figures[field]
    version = figures.get("redis_version", "")
    if "mvcc_depth" in figures:  # all that sets KeyDB apart [V]
        return "KeyDB", version
    return ("Redis" if version else ""), version


def _server(maker: str, version: str) -> Finding:
    level: Level = "note"
    if maker == "Upstash":
        meaning = "tested with an emulator of its REST interface, not with the service"
    elif not maker:
        meaning = f"it does not say what it is; {_TESTED}"
    elif maker not in {"Redis", "Valkey"}:
        meaning = f"this package was not tested with it; {_TESTED}"
    elif maker == "Redis" and _numbers(version) < _OLDEST_REDIS:
        level = "warning"
        meaning = f"update it: waiting over TCP needs 6.2, the near cache 6.0, and {_TESTED}"
    else:
        level, meaning = "ok", _TESTED
    return Finding("server", f"{maker} {version}".strip() or UNKNOWN, level, meaning)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if _NUMBER.fullmatch(part))


# --- eviction

_NO_LIMIT = "no limit"
_NOEVICTION = "noeviction"
_WHEN_FULL = "; a full server stores no entry and grants no lock"
# Dragonfly's, which its policy follows [V].
_MODES = {"store": _NOEVICTION, "cache": "cache mode"}
_WHO_GOES = {
    "volatile-ttl": "the shortest time to live is evicted first, and that is a lock's",
    "volatile": "keys with a time to live are evicted, and a held lock is one",
    "optimistic": "keys with a time to live are evicted first, and a held lock is one",  # Upstash's only one [S]
}


def _eviction(figures: Figures, maker: str) -> _Part:
    policy = _MODES.get(figures.get("cache_mode", "")) or figures.get("maxmemory_policy")
    limit = _limit(figures.get("maxmemory", ""))
    value = f"{policy}, {limit}" if policy else UNKNOWN
    if not policy:
        meaning = f"a held lock may be evicted: see that the server of your locks has {_NOEVICTION}"
        return _Part(Finding("eviction", value, "note", meaning), forgets=_PERHAPS + "eviction")
    if policy == _NOEVICTION:
        meaning = "no held lock is evicted" + _WHEN_FULL * (limit != _NO_LIMIT)
        return _Part(Finding("eviction", value, "ok", meaning))
    if limit == _NO_LIMIT and maker != "Upstash":  # whose limit is on what is stored, not on memory [S]
        meaning = f"nothing is evicted without a limit; before you set one, set {_NOEVICTION} for your locks"
        return _Part(Finding("eviction", value, "note", meaning))
    who = _WHO_GOES.get(policy) or _WHO_GOES.get(policy.partition("-")[0]) or "any key is evicted, a held lock too"
    meaning = f"{who}: right for a cache, but put locks on a server of their own with {_NOEVICTION}"
    return _Part(Finding("eviction", value, "warning", meaning), forgets="eviction")


def _limit(told: str) -> str:
    if not _NUMBER.fullmatch(told):
        return "limit unknown"
    return f"limit {int(told) / 2**20:.4g} MiB" if int(told) else _NO_LIMIT


# --- persistence

_CRASH_FORGETS = "a crash forgets held locks"


def _persistence(figures: Figures, maker: str) -> _Part:
    has_log, snapshots = figures.get("aof_enabled"), figures.get("save")
    if has_log == "1":
        return _log(figures.get("appendfsync", UNKNOWN))
    if has_log == "0" and snapshots == "":
        meaning = "a restart forgets every held lock; its holder learns of it when it asks"
        return _Part(Finding("persistence", "none", "note", meaning), "no persistence", "a restart")
    if has_log == "0" and snapshots:
        meaning = "a crash forgets the locks taken since the last snapshot, and brings back those released since"
        found = Finding("persistence", f"snapshots (save {snapshots})", "note", meaning)
        return _Part(found, "snapshots only", "a crash", "a crash")
    if has_log == "0":
        found = Finding("persistence", "no append-only file, snapshots unknown", "note", _CRASH_FORGETS)
        return _Part(found, "no append-only file", "a crash", _PERHAPS + "a crash")
    meaning = f"take it that {_CRASH_FORGETS}"
    if maker == "Upstash":  # its INFO has no such fields, its CONFIG GET no such settings [U]
        meaning = "it does not tell, and says that it always keeps every write on disk"  # [S]
    found = Finding("persistence", UNKNOWN, "note", meaning)
    return _Part(found, "persistence unknown", _PERHAPS + "a restart", _PERHAPS + "a restart")


def _log(fsync: str) -> _Part:
    value = f"append-only file, appendfsync {fsync}"
    if fsync == "always":
        meaning = "each write is on disk before it is confirmed, so a restart keeps held locks"
        return _Part(Finding("persistence", value, "ok", meaning), "every write on disk")
    lost = {"everysec": "of the last second or two", "no": "of the last half minute or so"}
    meaning = f"a crash forgets the locks {lost.get(fsync, 'that were not yet on disk')}; only always keeps all"
    return _Part(Finding("persistence", value, "note", meaning), f"appendfsync {fsync}", "a crash", "a crash")


# --- replicas, Cluster, clock, permissions

_FAILOVER = "a failover may forget a lock that was granted"


def _replicas(figures: Figures, maker: str) -> _Part:
    count = figures.get("connected_slaves", "")
    if figures.get("role") == "slave":
        meaning = "it grants no lock and stores no entry: connect to its primary"
        return _Part(Finding("replicas", "this is one", "warning", meaning), _REPLICA)
    if count == "0":
        meaning = "no failover forgets a lock; while the server is down none is granted"
        return _Part(Finding("replicas", "none", "ok", meaning), "One server")
    if _NUMBER.fullmatch(count):
        words = f"A primary with {count} replica{'s' * (count != '1')}"
        return _Part(Finding("replicas", count, "note", _FAILOVER), words, "a failover", "a failover")
    meaning = f"take it that {_FAILOVER}"
    if maker == "Upstash":  # its INFO has no such section [U]
        meaning = f"it does not tell, and says that replicas get a write after it is confirmed: {_FAILOVER}"  # [S]
    found = Finding("replicas", UNKNOWN, "note", meaning)
    return _Part(found, "Replicas unknown", _PERHAPS + "a failover", _PERHAPS + "a failover")


def _is_cluster(figures: Figures) -> bool:
    return figures.get("cluster_enabled") == "1"


def _cluster(told: Told) -> Iterator[Finding]:
    if not _is_cluster(told.figures):
        return
    if told.primaries > 1:
        meaning = "one server decides about a lock, whose names share a slot; set all alike"
        yield Finding("Cluster", f"{told.primaries} primaries, one was asked", "ok", meaning)
    else:
        yield Finding("Cluster", "one primary is known", "note", "if there are more, connect by redis+cluster://")


_MOST_AHEAD = 1.0
"""Seconds between two clocks that are kept by NTP: far less than this."""


def _clock(ahead: float | None) -> Finding:
    if ahead is None:
        meaning = "each fence is at least the server's time: a user without +time is granted no lock"
        return Finding("clock", UNKNOWN, "warning", meaning)
    value = f"{abs(ahead):.3f} s {'ahead of' if ahead > 0 else 'behind'} ours"
    if abs(ahead) <= _MOST_AHEAD:
        return Finding("clock", value, "ok", "no lock depends on ours")
    meaning = "no lock depends on ours, but each fence is at least the server's time: keep both by NTP"
    return Finding("clock", value, "note", meaning)


def _permissions(unanswered: tuple[str, ...]) -> Iterator[Finding]:
    if unanswered:
        needed = " ".join(f"+{command.lower().replace(' ', '|')}" for command in unanswered)
        yield Finding(
            "permissions", f"{', '.join(unanswered)} not answered", "note", f"to know more, let its user ask: {needed}"
        )


# --- what follows

_REPLICA = "A replica"
_DECIDE = "the ledger's fence and unique row decide"


def _guarantee(figures: Figures, eviction: _Part, persistence: _Part, replicas: _Part) -> Guarantee:
    if replicas.words == _REPLICA:
        return Guarantee(f"{_REPLICA}: it grants no lock.", f"{_REPLICA}: it stores no entry.")
    place = "A Cluster" if _is_cluster(figures) else replicas.words
    forgets = _either(eviction.forgets, persistence.forgets, replicas.forgets)
    locks = f"{forgets} may forget a held lock" if forgets else "nothing here makes it forget a held lock"
    brings_back = _either(persistence.brings_back, replicas.brings_back)
    cache = f", but {brings_back} may bring the old value back until its ttl ends" if brings_back else ""
    return Guarantee(f"{place}, {persistence.words}: {locks}; {_DECIDE}.", f"What was invalidated stays gone{cache}.")


def _either(*causes: str) -> str:
    named = [cause for cause in causes if cause]
    doubt = "for all it tells, " if any(cause.startswith(_PERHAPS) for cause in named) else ""
    *others, last = [cause.removeprefix(_PERHAPS) for cause in named] or [""]
    return doubt + (f"{', '.join(others)} or {last}" if others else last)
