"""What a workload takes in commands is what the server itself counted."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from dousell_cache.async_cache import AsyncCache
from dousell_cache.connecting import connect_async
from dousell_cache.dousell.ledger import PostgresLedger
from dousell_cache.dousell.origin import supabase_origin
from dousell_cache.dousell.site import Site
from dousell_cache.environments import Environment
from dousell_cache.measure.usage import Meter, Usage, between, command_counts, read_counts

if TYPE_CHECKING:
    from .conftest import FreeValkey

TOLD = (
    "# Commandstats\r\ncmdstat_get:calls=21,usec=175,usec_per_call=8.33,rejected_calls=0\r\n"
    "cmdstat_config|get:calls=2,usec=9\r\ncmdstat_info:calls=5,usec=3\r\n"
)


def test_what_a_server_counted_is_read() -> None:
    """Kinds of commands, those with a second word too; a server that tells nothing tells nothing."""
    assert read_counts(TOLD) == {"get": 21, "config|get": 2, "info": 5}
    assert read_counts("# Commandstats\r\n") is None
    assert read_counts("") is None


def test_what_is_free_or_connects_is_left_out() -> None:
    """Only what grew, and neither what Upstash does not bill nor what opens a connection."""
    before = {"get": 20, "info": 1, "set": 3}
    after = {"get": 21, "info": 9, "set": 3, "evalsha": 2, "ping": 5, "client|setinfo": 2, "hello": 1}
    assert between(before, after) == {"get": 1, "evalsha": 2}


@asynccontextmanager
async def metered(url: str) -> AsyncIterator[tuple[AsyncCache, Meter]]:
    """Yield a cache that knows the server's scripts, and a meter that was started; no origin is asked."""
    async with await connect_async(url, namespace="meter:", patience=5, ttl=60) as cache:
        await cache.get_or_set("warm", lambda: 1)
        async with supabase_origin("http://127.0.0.1:1", "none") as origin:
            yield cache, await Meter(Site(cache, origin, PostgresLedger(""), None, "none", ())).start()


async def test_a_meter_counts_what_the_server_executed(free_valkey: "FreeValkey") -> None:
    """Two pages, each read five times: two misses and eight hits, the commands inside a miss's scripts included."""
    async with metered(free_valkey.url) as (cache, meter):
        for page in ("a", "b") * 5:
            await cache.get_or_set(page, lambda: 1)
        usage = await meter.usage()
    assert (usage.requests, usage.origin_calls) == (10, 2)
    assert usage.sent == 8 + 2 * 3
    assert usage.executed is not None
    assert usage.executed["evalsha"] == 4  # a lease and a write for each miss
    assert sum(usage.executed.values()) > usage.sent
    assert usage.per_thousand["evalsha"] == 400
    assert list(usage.per_thousand.values()) == sorted(usage.per_thousand.values(), reverse=True)
    month = usage.traffic(1e6)
    assert month.commands == pytest.approx(1e5 * usage.billed)
    assert month.origin_calls_per_request == 0.2


async def test_a_lock_costs_what_its_scripts_call(free_valkey: "FreeValkey") -> None:
    """What a lock's scripts call is in the use, the clock behind its fences too, since Upstash bills each of it."""
    async with metered(free_valkey.url) as (cache, meter):
        for name in ("one", "two", "three"):
            async with cache.lock(name, 20):
                await cache.get_or_set("warm", lambda: 1)
        usage = await meter.usage()
    assert usage.executed is not None
    assert usage.executed["time"] == 3
    assert {"client", "hello", "select", "info"}.isdisjoint(usage.executed)


async def test_a_meter_without_reads_is_refused(free_valkey: "FreeValkey") -> None:
    """Nothing read is nothing to divide by."""
    async with metered(free_valkey.url) as (_, meter):
        with pytest.raises(ValueError, match="nothing was read"):
            await meter.usage()


async def test_a_server_that_does_not_tell(free_valkey: "FreeValkey") -> None:
    """A dead server, or none, tells nothing; then what was sent is all that is known."""
    free_valkey.kill()
    assert await command_counts(Environment("local", "tcp", free_valkey.url)) is None
    assert await command_counts(Environment("local", "none")) is None
    usage = Usage(requests=10, sent=14, executed=None, origin_calls=2)
    assert (usage.billed, usage.per_thousand) == (14, {})
