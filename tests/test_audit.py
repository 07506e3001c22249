"""The start-up audit: what is made of what a server tells; test_inquiry.py has real servers tell it."""

from collections.abc import Mapping

import pytest

from dousell_cache.audit import Finding, Level, audit
from dousell_cache.inquiry import Told

LEDGER = "the ledger's fence and unique row decide."
MAY = f"may forget a held lock; {LEDGER}"
ALONE = {"role": "master", "connected_slaves": "0"}
IN_MEMORY = {"aof_enabled": "0", "save": ""}
WELL = {"valkey_version": "9.1.0", "maxmemory_policy": "noeviction", "maxmemory": "0"} | IN_MEMORY | ALONE
UPSTASH = {"upstash_version": "1.13.3", "redis_version": "6.2.6", "maxmemory": "0"}
MIB = str(2**20)


def found(told: Told, name: str) -> Finding:
    """Return the audit's one finding of a name."""
    (finding,) = [one for one in audit(told).findings if one.name == name]
    return finding


def about(figures: Mapping[str, str], name: str) -> tuple[str, Level, str]:
    """Return value, level and meaning of one finding."""
    finding = found(Told(figures), name)
    return finding.value, finding.level, finding.meaning


# --- what is made of what a server tells


@pytest.mark.parametrize(
    ("figures", "value", "level", "part"),
    [
        ({"redis_version": "7.0.15"}, "Redis 7.0.15", "ok", "the tests run on"),
        ({"redis_version": "8.10.1"}, "Redis 8.10.1", "ok", "the tests run on"),
        ({"redis_version": "10.0"}, "Redis 10.0", "ok", "the tests run on"),
        ({"redis_version": "6.2.6"}, "Redis 6.2.6", "warning", "update it: waiting over TCP needs 6.2"),
        ({"redis_version": "7.2.4", "valkey_version": "9.1.2"}, "Valkey 9.1.2", "ok", "the tests run on"),
        ({"redis_version": "7.4.0", "dragonfly_version": "df-v1.40.1"}, "Dragonfly df-v1.40.1", "note", "not tested"),
        ({"redis_version": "6.3.4", "mvcc_depth": "0"}, "KeyDB 6.3.4", "note", "not tested"),
        ({"redis_version": "6.2.6", "upstash_version": "1.13.3"}, "Upstash 1.13.3", "note", "an emulator"),
        ({}, "unknown", "note", "does not say what it is"),
    ],
)
def test_which_server_it_is(figures: dict[str, str], value: str, level: Level, part: str) -> None:
    """A server goes by its own name, not by the Redis that it is compatible with; what was never tested is said."""
    assert about(figures, "server")[:2] == (value, level)
    assert part in about(figures, "server")[2]


@pytest.mark.parametrize(
    ("figures", "value", "level", "part"),
    [
        ({"maxmemory_policy": "noeviction", "maxmemory": "0"}, "noeviction, no limit", "ok", "no held lock is evicted"),
        ({"maxmemory_policy": "noeviction", "maxmemory": MIB}, "noeviction, limit 1 MiB", "ok", "grants no lock"),
        ({"maxmemory_policy": "noeviction"}, "noeviction, limit unknown", "ok", "grants no lock"),
        ({"maxmemory_policy": "allkeys-lru", "maxmemory": "0"}, "allkeys-lru, no limit", "note", "before you set one"),
        ({"maxmemory_policy": "allkeys-lfu", "maxmemory": MIB}, "allkeys-lfu, limit 1 MiB", "warning", "any key"),
        ({"maxmemory_policy": "volatile-lru", "maxmemory": MIB}, "volatile-lru, limit 1 MiB", "warning", "a time to"),
        ({"maxmemory_policy": "volatile-ttl", "maxmemory": MIB}, "volatile-ttl, limit 1 MiB", "warning", "shortest"),
        ({"maxmemory_policy": "allkeys-lru"}, "allkeys-lru, limit unknown", "warning", "any key"),
        (UPSTASH | {"maxmemory_policy": "optimistic-volatile"}, "optimistic-volatile, no limit", "warning", "first"),
        ({"cache_mode": "cache", "maxmemory": MIB}, "cache mode, limit 1 MiB", "warning", "any key is evicted"),
        ({"cache_mode": "store", "maxmemory": MIB}, "noeviction, limit 1 MiB", "ok", "no held lock is evicted"),
        ({}, "unknown", "note", "a held lock may be evicted"),
    ],
)
def test_eviction(figures: dict[str, str], value: str, level: Level, part: str) -> None:
    """Whatever may evict a held lock is a warning that says where locks belong; a policy without a limit is none."""
    told, of_level, meaning = about(figures, "eviction")
    assert (told, of_level) == (value, level)
    assert part in meaning
    assert ("put locks on a server of their own with noeviction" in meaning) == (level == "warning")
    guarantee = audit(Told(IN_MEMORY | ALONE | figures)).guarantee
    assert ("eviction" in guarantee.locks) == (level == "warning" or value == "unknown")


LOG = {"aof_enabled": "1"}


@pytest.mark.parametrize(
    ("figures", "value", "level", "part"),
    [
        ({"aof_enabled": "0", "save": ""}, "none", "note", "a restart forgets every held lock"),
        ({"aof_enabled": "0", "save": "3600 1"}, "snapshots (save 3600 1)", "note", "brings back those released"),
        ({"aof_enabled": "0"}, "no append-only file, snapshots unknown", "note", "a crash forgets"),
        (LOG | {"appendfsync": "always"}, "append-only file, appendfsync always", "ok", "keeps held locks"),
        (LOG | {"appendfsync": "everysec"}, "append-only file, appendfsync everysec", "note", "last second"),
        (LOG | {"appendfsync": "no"}, "append-only file, appendfsync no", "note", "last half minute"),
        (LOG, "append-only file, appendfsync unknown", "note", "not yet on disk"),
        ({"upstash_version": "1"}, "unknown", "note", "says that it always keeps every write on disk"),
        ({}, "unknown", "note", "take it that"),
    ],
)
def test_persistence(figures: dict[str, str], value: str, level: Level, part: str) -> None:
    """What a restart or a crash forgets of locks is said for each way of keeping them."""
    assert about(figures, "persistence")[:2] == (value, level)
    assert part in about(figures, "persistence")[2]


@pytest.mark.parametrize(
    ("figures", "value", "level", "part"),
    [
        (ALONE, "none", "ok", "no failover forgets a lock"),
        ({"role": "master", "connected_slaves": "2"}, "2", "note", "a failover may forget a lock that was granted"),
        ({"role": "slave", "connected_slaves": "0"}, "this is one", "warning", "connect to its primary"),
        ({"upstash_version": "1"}, "unknown", "note", "replicas get a write after it is confirmed"),
        ({}, "unknown", "note", "take it that a failover"),
    ],
)
def test_replicas(figures: dict[str, str], value: str, level: Level, part: str) -> None:
    """A replica forgets what it had not received, and is itself no place for a lock."""
    assert about(figures, "replicas")[:2] == (value, level)
    assert part in about(figures, "replicas")[2]


@pytest.mark.parametrize(
    ("ahead", "value", "level"),
    [
        (0.25, "0.250 s ahead of ours", "ok"),
        (-0.25, "0.250 s behind ours", "ok"),
        (-3600.0, "3600.000 s behind ours", "note"),
        (1.5, "1.500 s ahead of ours", "note"),
        (None, "unknown", "warning"),
    ],
)
def test_the_clock(ahead: float | None, value: str, level: Level) -> None:
    """Clocks that are far apart are worth a note: nothing depends on ours, but fences on the server's."""
    finding = found(Told(WELL, ahead), "clock")
    assert (finding.value, finding.level) == (value, level)
    assert ("fence" in finding.meaning) == (level != "ok")


@pytest.mark.parametrize(
    ("primaries", "value", "level"),
    [(3, "3 primaries, one was asked", "ok"), (1, "one primary is known", "note")],
)
def test_a_cluster(primaries: int, value: str, level: Level) -> None:
    """A Cluster is named, and so is that one server was asked; reached as one server, it says how it is meant."""
    told = Told(WELL | {"cluster_enabled": "1"}, 0.0, (), primaries)
    assert (found(told, "Cluster").value, found(told, "Cluster").level) == (value, level)
    assert audit(told).guarantee.locks.startswith("A Cluster, no persistence: a restart may forget a held lock;")


def test_refused_commands_are_named() -> None:
    """What was not answered is one finding, with the rights that a user needs for it."""
    finding = found(Told({}, None, ("TIME", "CONFIG GET")), "permissions")
    assert (finding.value, finding.level) == ("TIME, CONFIG GET not answered", "note")
    assert finding.meaning.endswith("+time +config|get")


DISK = {"aof_enabled": "1", "appendfsync": "always"}
EVICTING = {"maxmemory": MIB, "maxmemory_policy": "volatile-lru"}


@pytest.mark.parametrize(
    ("figures", "locks"),
    [
        (WELL, f"One server, no persistence: a restart {MAY}"),
        (WELL | DISK, f"One server, every write on disk: nothing here makes it forget a held lock; {LEDGER}"),
        (WELL | EVICTING | DISK, f"One server, every write on disk: eviction {MAY}"),
        (
            WELL | EVICTING | {"connected_slaves": "1", "save": "60 1"},
            f"A primary with 1 replica, snapshots only: eviction, a crash or a failover {MAY}",
        ),
        (
            {"aof_enabled": "0", "connected_slaves": "2", "save": "60 1"},
            f"A primary with 2 replicas, snapshots only: for all it tells, eviction, a crash or a failover {MAY}",
        ),
        (
            {},
            f"Replicas unknown, persistence unknown: for all it tells, eviction, a restart or a failover {MAY}",
        ),
        (WELL | {"role": "slave"}, "A replica: it grants no lock."),
    ],
)
def test_the_guarantee_for_locks(figures: dict[str, str], locks: str) -> None:
    """One sentence names everything that may make the server forget a held lock, and who decides then."""
    assert audit(Told(figures)).guarantee.locks == locks


@pytest.mark.parametrize(
    ("figures", "cache"),
    [
        (WELL, "."),
        (WELL | EVICTING, "."),
        (WELL | DISK, "."),
        (WELL | {"save": "60 1"}, ", but a crash may bring the old value back until its ttl ends."),
        (WELL | {"connected_slaves": "1"}, ", but a failover may bring the old value back until its ttl ends."),
        ({}, ", but for all it tells, a restart or a failover may bring the old value back until its ttl ends."),
    ],
)
def test_the_guarantee_for_the_cache(figures: dict[str, str], cache: str) -> None:
    """What forgets an invalidation is named; a server that forgets everything, or whatever it evicts, is none."""
    assert audit(Told(figures)).guarantee.cache == f"What was invalidated stays gone{cache}"
