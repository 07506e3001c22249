"""Asking a server about itself, and what the audit makes of it: real servers of every kind, and refusals."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import OutOfMemoryError

from dousell_cache import LockUnavailable, connect
from dousell_cache.audit import Audit, audit
from dousell_cache.inquiry import Told, ask
from dousell_cache.local import Cloud, valkey
from dousell_cache.runner import run_blocking
from dousell_cache.transport.cluster import BlockingCluster
from dousell_cache.transport.port import BlockingTransport
from dousell_cache.transport.rest import BlockingRest
from dousell_cache.transport.sentinel import BlockingSentinel
from dousell_cache.transport.tcp import AsyncTcp, BlockingTcp

from .servers import listening, silence
from .servers_redis import Server, ThreeNodes, TlsServer, Watched, administrator, redis_server, running, wait_for

if TYPE_CHECKING:
    from .conftest import FreeValkey

PATIENCE = 5.0
DECIDE = "; the ledger's fence and unique row decide."


def told(transport: BlockingTransport, now: Callable[[], float] = time.time, *, left: float = PATIENCE) -> Told:
    """Ask, and close the transport."""
    try:
        return run_blocking(ask(transport, lambda: left, now))
    finally:
        transport.close()


def of(url: str) -> Audit:
    """Return the audit of a server by its URL."""
    return audit(told(BlockingTcp(url, patience=PATIENCE)))


def summed_up(found: Audit) -> dict[str, str]:
    """Return value and level of what was found, by name; of the server its name alone, of the clock the level."""
    values = {one.name: one.value for one in found.findings}
    values |= {"server": values["server"].split()[0], "clock": "told" if " s " in values["clock"] else "unknown"}
    return {one.name: f"{values[one.name]} ({one.level})" for one in found.findings}


@contextmanager
def redis7_with(*settings: str) -> Iterator[Server]:
    """Run a Redis 7 with settings for the length of a block."""
    with running(partial(_redis7, settings)) as server:
        yield server


def _redis7(settings: tuple[str, ...], base: Path) -> Server:
    return Server(redis_server(), base, *settings)


# --- real servers


def test_the_embedded_valkey(valkey_url: str) -> None:
    """Valkey goes by its own name; kept in memory alone and with no limit, only a restart forgets."""
    found = of(valkey_url)
    assert summed_up(found) == {
        "server": "Valkey (ok)",
        "eviction": "noeviction, no limit (ok)",
        "persistence": "none (note)",
        "replicas": "none (ok)",
        "clock": "told (ok)",
    }
    assert found.findings[0].value.startswith("Valkey 9.")
    assert found.guarantee.locks == f"One server, no persistence: a restart may forget a held lock{DECIDE}"


def test_redis_that_keeps_a_log() -> None:
    """Redis 7 with an append-only file says how often it is written out; with always, a restart keeps locks."""
    with redis7_with("--appendonly", "yes") as server:
        assert summed_up(of(server.url))["persistence"] == "append-only file, appendfsync everysec (note)"
        assert of(server.url).findings[0].value.startswith("Redis 7.")
        server.ask("CONFIG", "SET", "appendfsync", "always")
        found = of(server.url)
        assert summed_up(found)["persistence"] == "append-only file, appendfsync always (ok)"
        assert found.guarantee.locks == (
            f"One server, every write on disk: nothing here makes it forget a held lock{DECIDE}"
        )


def test_redis_that_evicts() -> None:
    """Redis 7 with a limit and a policy that evicts is warned of, for any key and for those with a time to live."""
    with redis7_with("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru", "--save", "3600 1") as server:
        assert summed_up(of(server.url)) == {
            "server": "Redis (ok)",
            "eviction": "allkeys-lru, limit 100 MiB (warning)",
            "persistence": "snapshots (save 3600 1) (note)",
            "replicas": "none (ok)",
            "clock": "told (ok)",
        }
        server.ask("CONFIG", "SET", "maxmemory-policy", "volatile-ttl")
        assert summed_up(of(server.url))["eviction"] == "volatile-ttl, limit 100 MiB (warning)"


def test_a_primary_and_its_replica(watched: Watched) -> None:
    """By Sentinel the primary is asked, which counts its replica; the replica itself is no place for a lock."""
    found = audit(told(BlockingSentinel(watched.url, patience=PATIENCE)))
    assert summed_up(found)["replicas"] == "1 (note)"
    assert found.guarantee.locks == (
        f"A primary with 1 replica, no persistence: a restart or a failover may forget a held lock{DECIDE}"
    )
    replica = next(one for one in (watched.master, watched.replica) if one.port != watched.named_master())
    assert summed_up(of(replica.url))["replicas"] == "this is one (warning)"
    assert of(replica.url).guarantee.locks == "A replica: it grants no lock."


def test_a_cluster(three_nodes: ThreeNodes) -> None:
    """One of a Cluster's primaries is asked; one that is reached alone says how a Cluster is meant to be."""
    found = audit(told(BlockingCluster(three_nodes.url, patience=PATIENCE)))
    assert summed_up(found)["Cluster"] == "3 primaries, one was asked (ok)"
    assert found.guarantee.locks == f"A Cluster, no persistence: a restart may forget a held lock{DECIDE}"
    assert summed_up(of(three_nodes.servers[0].url))["Cluster"] == "one primary is known (note)"


def test_over_rest(cloud: Cloud) -> None:
    """Over REST the same is asked, and told of the server behind the emulator."""
    rest = BlockingRest(cloud.upstash_url, cloud.upstash_token, patience=PATIENCE)
    assert summed_up(audit(told(rest))) == summed_up(of(cloud.valkey_url))


async def test_over_asyncio(redis7: TlsServer) -> None:
    """The same flow asks over the asyncio face."""
    transport = AsyncTcp(redis7.url, patience=PATIENCE)
    try:
        asked = await ask(transport, lambda: PATIENCE, time.time)
    finally:
        await transport.close()
    assert summed_up(audit(asked)) == summed_up(of(redis7.url))


# --- what the findings say is so


LOCK, ENTRIES = "{payment:7}:lock", 20_000


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-lru", "volatile-ttl", "noeviction"])
def test_a_held_lock_is_evicted_where_the_audit_warns(policy: str) -> None:
    """S11: entries push a held lock out of a server with a policy that evicts, and of no other."""
    with redis7_with("--maxmemory", "3mb", "--maxmemory-policy", policy) as server:
        warns = "eviction" in of(server.url).guarantee.locks
        server.ask("SET", LOCK, "a token", "PX", 300_000)
        written = 0
        while server.ask("EXISTS", LOCK) and written < ENTRIES:
            try:
                server.ask("SET", f"detail:{written}", "x" * 1000, "EX", 3600)
            except OutOfMemoryError:
                break
            written += 1
        assert bool(server.ask("EXISTS", LOCK)) == (not warns)
        assert warns == (policy != "noeviction")


@pytest.mark.parametrize(
    ("settings", "keeps_the_lock", "brings_back"),
    [
        ((), False, False),
        (("--save", "3600 1000000"), False, True),
        (("--appendonly", "yes", "--appendfsync", "always"), True, False),
    ],
)
def test_what_a_crash_forgets(settings: tuple[str, ...], keeps_the_lock: bool, brings_back: bool) -> None:
    """S7: after SIGKILL and a new start the lock and the invalidated value are what the guarantee said."""
    with redis7_with(*settings) as server:
        guarantee = of(server.url).guarantee
        server.ask("SET", "detail:7", "old", "EX", 3600)
        if "--save" in settings:
            server.ask("SAVE")
        server.ask("DEL", "detail:7")
        server.ask("SET", LOCK, "a token", "PX", 300_000)
        start_again(server, settings)
        assert bool(server.ask("EXISTS", LOCK)) == keeps_the_lock == ("nothing here" in guarantee.locks)
        assert bool(server.ask("EXISTS", "detail:7")) == brings_back == ("bring the old value" in guarantee.cache)


def start_again(server: Server, settings: tuple[str, ...]) -> None:
    """Kill a server and start it anew on what it kept."""
    server.kill()
    server.child = valkey.start(redis_server(), server.folder, server.port, settings)
    valkey.wait_ready(server.child, server.folder)
    wait_for(lambda: bool(server.ask("PING")), "the data is loaded")


# --- what it costs, and what nobody is asked


def commands_of(admin: Any, ask_it: Callable[[], object]) -> dict[str, int]:
    """Return the commands that a server counts meanwhile, an administrator's own left out."""
    admin.execute_command("CONFIG", "RESETSTAT")
    ask_it()
    counts = admin.execute_command("INFO", "commandstats")
    return {
        name.removeprefix("cmdstat_"): count["calls"]
        for name, count in counts.items()
        if name != "cmdstat_config|resetstat"
    }


def test_three_commands(free_valkey: "FreeValkey") -> None:
    """A server is asked three times, and for nothing that holds a password."""
    with administrator(free_valkey.port) as admin:
        asked = commands_of(admin, lambda: of(free_valkey.url))
        admin.execute_command("CONFIG", "SET", "masterauth", "canary")
    assert asked == {"time": 1, "info": 1, "config|get": 1}
    assert "canary" not in repr(told(BlockingTcp(free_valkey.url, patience=PATIENCE)))


def test_three_commands_in_a_cluster(free_nodes: ThreeNodes) -> None:
    """In a Cluster all three go to one server, which is asked for the map too."""
    with administrator(free_nodes.servers[0].port) as admin:
        asked = commands_of(admin, lambda: told(BlockingCluster(free_nodes.url, patience=PATIENCE)))
    assert asked == {"cluster|slots": 1, "time": 1, "info": 1, "config|get": 1}


@pytest.mark.parametrize("shift", [3600.0, -3600.0])
def test_a_clock_that_is_an_hour_off(valkey_url: str, shift: float) -> None:
    """The server's clock is compared with ours, to less than a round trip."""
    asked = told(BlockingTcp(valkey_url, patience=PATIENCE), lambda: time.time() - shift)
    assert asked.ahead == pytest.approx(shift, abs=5)
    assert summed_up(audit(asked))["clock"] == "told (note)"


# --- who refuses


@pytest.mark.parametrize(
    ("rights", "unanswered", "unknown"),
    [
        (["+@all", "-config"], ("CONFIG GET",), set()),
        (["+@all", "-info"], ("INFO",), {"server", "persistence", "replicas"}),
        (["+@all", "-time"], ("TIME",), {"clock"}),
        (["+get"], ("TIME", "INFO", "CONFIG GET"), {"server", "eviction", "persistence", "replicas", "clock"}),
    ],
)
def test_a_user_with_fewer_rights(
    free_valkey: "FreeValkey", rights: list[str], unanswered: tuple[str, ...], unknown: set[str]
) -> None:
    """What a user may not ask is unknown, and named with the right that it needs; nothing raises."""
    with administrator(free_valkey.port) as admin:
        admin.execute_command("ACL", "SETUSER", "app", "on", ">canary", "~*", *rights)
    asked = told(BlockingTcp(free_valkey.url.replace("redis://", "redis://app:canary@"), patience=PATIENCE))
    found = audit(asked)
    assert asked.unanswered == unanswered
    assert {one.name for one in found.findings if one.value == "unknown"} == unknown
    assert found.findings[-1].value == f"{', '.join(unanswered)} not answered"
    assert "canary" not in repr(found) + repr(asked)


def test_a_user_who_may_not_ask_the_time(free_valkey: "FreeValkey") -> None:
    """The warning is so: such a user passes for everything but a lock."""
    with administrator(free_valkey.port) as admin:
        admin.execute_command("ACL", "SETUSER", "app", "on", ">canary", "~*", "+@all", "-time")
    url = free_valkey.url.replace("redis://", "redis://app:canary@")
    assert summed_up(of(url))["clock"] == "unknown (warning)"
    with connect(url, patience=PATIENCE, lock_patience=PATIENCE, ttl=60) as cache:
        assert cache.get_or_set("a", lambda: 1) == 1
        with pytest.raises(LockUnavailable), cache.lock("a"):
            pytest.fail("a lock without a fence")


def test_a_server_without_config(free_valkey: "FreeValkey") -> None:
    """A managed server tells INFO and has no CONFIG: its log is told by the one, its snapshots are not known."""
    with administrator(free_valkey.port) as admin:
        admin.execute_command("ACL", "SETUSER", "app", "on", ">canary", "~*", "+@all", "-config")
    found = of(free_valkey.url.replace("redis://", "redis://app:canary@"))
    assert summed_up(found)["eviction"] == "noeviction, no limit (ok)"
    assert summed_up(found)["persistence"] == "no append-only file, snapshots unknown (note)"


# What servers that cannot run here were seen to answer to INFO, in public records; the fields that the audit reads.
RECORDED = {
    "Upstash": (
        "upstash_version:1.13.3 redis_version:6.2.6 maxmemory:67108864 maxmemory_policy:noeviction cluster_enabled:0",
        ["noeviction, limit 64 MiB (ok)", "unknown (note)", "unknown (note)"],
    ),
    "Dragonfly": (
        "redis_version:7.4.0 dragonfly_version:df-v1.40.1 maxmemory:3169176780 cache_mode:cache connected_slaves:0",
        ["cache mode, limit 3022 MiB (warning)", "unknown (note)", "none (ok)"],
    ),
    "KeyDB": (
        "redis_version:6.3.4 maxmemory:0 maxmemory_policy:noeviction aof_enabled:0 connected_slaves:0 mvcc_depth:0",
        ["noeviction, no limit (ok)", "no append-only file, snapshots unknown (note)", "none (ok)"],
    ),
}


@pytest.mark.parametrize("maker", RECORDED)
def test_servers_of_other_makers(maker: str) -> None:
    """Recorded answers of Upstash, Dragonfly and KeyDB: each goes by its name, and what it does not tell is unknown."""
    fields, found = RECORDED[maker]
    info = "# Server\r\n" + "\r\n".join(fields.split())

    def answer(received: bytes) -> bytes:
        if b"INFO" in received:
            return f"${len(info)}\r\n{info}\r\n".encode()
        return b"*2\r\n$10\r\n1700000000\r\n$1\r\n0\r\n" if b"TIME" in received else b"*0\r\n"

    with listening(answer) as server:
        seen = summed_up(of(f"redis://{server.address}"))
    assert list(seen.values()) == [f"{maker} (note)", *found, "told (note)"]


@pytest.mark.parametrize(
    "answer",
    [
        b"+OK\r\n",
        b":1\r\n",
        b"*-1\r\n",
        b"*2\r\n:1\r\n$1\r\nx\r\n",
        b"*2\r\n$1\r\nx\r\n$1\r\n0\r\n",
        b"*2\r\n$5000\r\n" + b"9" * 5000 + b"\r\n$1\r\n0\r\n",
        b"-ERR no\r\n",
    ],
)
def test_a_server_that_answers_wrongly(answer: bytes) -> None:
    """Whatever a server answers, what cannot be read is unknown."""
    with listening(lambda _: answer) as server:
        found = of(f"redis://{server.address}")
    assert {one.value for one in found.findings if one.name != "permissions"} == {"unknown"}


def test_nonsense_in_the_fields() -> None:
    """Numbers that are none are unknown, and a terminal never sees a server's control characters."""
    info = (
        f"redis_version:7.0\x1b[31m\r\nmaxmemory_policy:allkeys-lru\r\nmaxmemory:{'9' * 5000}\r\nconnected_slaves:²\r\n"
    )
    with listening(lambda _: b"$%d\r\n%s\r\n" % (len(info.encode()), info.encode())) as server:
        values = {one.name: one.value for one in of(f"redis://{server.address}").findings}
    assert values["server"] == "Redis 7.0?[31m"
    assert (values["eviction"], values["replicas"]) == ("allkeys-lru, limit unknown", "unknown")


def test_a_server_that_is_silent() -> None:
    """Silence is no answer, and no error; when no time is left, nothing waits."""
    with listening(silence) as server:
        transport = BlockingTcp(f"redis://{server.address}", patience=PATIENCE)
        assert told(transport, left=0.05).unanswered == ("TIME", "INFO", "CONFIG GET")
        transport = BlockingTcp(f"redis://{server.address}", patience=PATIENCE)
        assert told(transport, left=0.0).unanswered == ("TIME", "INFO", "CONFIG GET")


def test_a_cluster_that_tells_no_map(valkey_url: str) -> None:
    """Where there is no map of a Cluster there is nobody to ask, and that is no error either."""
    cluster = BlockingCluster(valkey_url.replace("redis://", "redis+cluster://").removesuffix("/0"), patience=PATIENCE)
    assert told(cluster).unanswered == ("TIME", "INFO", "CONFIG GET")
