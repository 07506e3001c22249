"""Whether a server's counters are what the application says that it looked up: exactly, on every kind of server."""

from typing import TYPE_CHECKING

import msgspec
import pytest

from dousell_cache import Cache, LockBusy
from dousell_cache.environments import Environment, from_url
from dousell_cache.monitor.figures import Lookups, Reconciliation, ServerDelta
from dousell_cache.monitor.monitor import Monitor
from dousell_cache.monitor.reconciling import reconcile
from dousell_cache.runner import run_blocking
from dousell_cache.transport.connect import blocking_transport

from .faces import Loader
from .watched_places import PLACES, environment_of, looking, recorded

if TYPE_CHECKING:
    from .conftest import FreeValkey


@pytest.fixture(params=PLACES)
def environment(request: pytest.FixtureRequest) -> Environment:
    """Each kind of server."""
    return environment_of(request.param, request)


def prepare(cache: Cache) -> None:
    """Do once what later runs rest on: a lock's fence, and the versions of tags, are there from then on."""
    with cache.lock("payment:1"):
        pass
    cache.get_or_set("page:0", Loader(0), tags=["city:Dakar", "owner:7"])


def work(cache: Cache) -> None:
    """Do a little of everything that looks something up."""
    load = Loader("x")
    for number in range(20):
        cache.get_or_set(f"page:{number % 4 + 1}", load)
        cache.get_or_set(f"list:{number % 3}", load, tags=["city:Dakar", "owner:7", f"new:{number % 3}"])
        cache.get_or_set(f"kept:{number % 2}", load, grace=60)
    cache.invalidate("page:1", "page:absent", soft=True)
    cache.get_or_set("page:1", load)
    cache.invalidate_tags("city:Dakar")
    cache.invalidate_tags("owner:7", soft=True)
    cache.get_or_set("list:0", load, tags=["city:Dakar", "owner:7"])
    cache.set_many({"page:8": 8, "page:9": 9}, tags=["city:Dakar"])
    cache.get_many(["page:8", "page:2", "page:none"])
    cache.refresh("page:2", load)
    cache.delete("page:3")
    cache.explain("page:2")
    with pytest.raises(OSError, match="down"):
        cache.get_or_set("page:fails", Loader(OSError("down")))
    with cache.lock("payment:1") as held:
        held.ensure()
        held.extend(20)
        with pytest.raises(LockBusy), cache.lock("payment:1"):
            pass


def reconciled(environment: Environment, namespace: str, cache: Cache) -> Reconciliation:
    """Return how a monitor accounts for the work of a cache."""
    prepare(cache)
    with looking(environment, namespace=namespace) as monitor:
        cache.flush(force=True)
        monitor.look()
        work(cache)
        cache.flush(force=True)
        sample = monitor.look()
    assert sample.reconciliation
    return sample.reconciliation


def test_a_scripted_workload_is_explained_exactly(environment: Environment, namespace: str) -> None:
    """Hits and misses are the server's to the last one: reads, loads, locks, withdrawals and the monitor's own."""
    with recorded(environment, namespace) as cache:
        found = reconciled(environment, namespace, cache)
    whole = sum(found.expected.values(), Lookups())
    assert found.server == whole
    assert (found.unexplained, found.cause) == (0, "")
    assert all(found.expected[cause].total > 0 for cause in ("reads", "loads", "locks", "others", "monitor"))
    assert found.application_hits == cache.counters().hits


def test_near_hits_are_not_looked_for_on_the_server(environment: Environment, namespace: str) -> None:
    """With a near cache the application has hits that no server saw, and they leave nothing unexplained."""
    with recorded(environment, namespace, near=(1000, 60)) as cache:
        found = reconciled(environment, namespace, cache)
    assert found.near_hits > 0 or environment.kind == "tcp", "over TCP a listener must vouch for it first"
    assert found.server == sum(found.expected.values(), Lookups())


def test_another_tenant_is_noticed(environment: Environment, namespace: str) -> None:
    """Lookups that no process recorded are counted, and more than two points of them have a likely cause."""
    stranger = blocking_transport(environment, 5)
    with recorded(environment, namespace) as cache, looking(environment, namespace=namespace) as monitor:
        cache.set("page:1", 1)
        monitor.look()
        backdate(monitor, 600)
        for _ in range(10):
            cache.get("page:1")
            run_blocking(stranger.send("GET", f"{namespace}stranger"))
        cache.flush(force=True)
        found = monitor.look().reconciliation
    stranger.close()
    assert found
    assert (found.unexplained, found.explained) == (10, False)
    assert "another tenant" in found.cause
    assert found.points
    assert found.points < -30


def backdate(monitor: Monitor, seconds: float) -> None:
    """Have a monitor take its looks so far for older than they are."""
    memory = monitor.memory
    assert memory
    first = msgspec.structs.replace(memory.first, at=memory.first.at - seconds)
    last = msgspec.structs.replace(memory.last, at=memory.last.at - seconds)
    monitor.resume(msgspec.structs.replace(memory, first=first, middle=first, last=last))


def test_a_comparison_is_a_window_long_at_most(free_valkey: "FreeValkey", namespace: str) -> None:
    """What happens now is not lost in a month of other things: the comparison's beginning moves on, by halves."""
    with looking(from_url(free_valkey.url), namespace=namespace, hours=1) as monitor:
        monitor.look()
        lengths = []
        for _ in range(6):
            backdate_all(monitor, 1200)
            found = monitor.look().reconciliation
            assert found
            lengths.append(round(found.seconds / 1200))
    assert lengths == [1, 2, 3, 2, 3, 3]


def backdate_all(monitor: Monitor, seconds: float) -> None:
    """Let so much time pass for a monitor."""
    memory = monitor.memory
    assert memory
    looks = {name: getattr(memory, name) for name in ("first", "middle", "last")}
    older = {id(look): msgspec.structs.replace(look, at=look.at - seconds) for look in looks.values()}
    monitor.resume(msgspec.structs.replace(memory, **{name: older[id(look)] for name, look in looks.items()}))


def test_it_is_too_early_to_say_at_first(valkey_url: str, namespace: str) -> None:
    """Before five minutes are over, what was not flushed yet is no alarm."""
    stranger = blocking_transport(from_url(valkey_url), 5)
    with looking(from_url(valkey_url), namespace=namespace) as monitor:
        monitor.look()
        for _ in range(100):
            run_blocking(stranger.send("GET", f"{namespace}stranger"))
        found = monitor.look().reconciliation
    stranger.close()
    assert found
    assert (found.unexplained, found.points, found.explained, found.cause) == (100, None, True, "")


def delta(hits: int, misses: int, *gaps: str) -> ServerDelta:
    """Return what a server counted."""
    return ServerDelta(600.0, {"keyspace_hits": hits, "keyspace_misses": misses}, gaps)


def moved(found: int, absent: int) -> dict[str, int]:
    """Return what an application's reads looked up."""
    return {"found.reads": found, "absent.reads": absent}


@pytest.mark.parametrize(
    ("server", "application", "cause"),
    [
        (delta(900, 100), moved(900, 100), ""),
        (delta(900, 119), moved(900, 100), ""),
        (delta(900, 200), moved(900, 100), "another tenant"),
        (delta(700, 100), moved(900, 100), "never reached this server"),
        (delta(800, 200), moved(900, 100), "expired or were evicted"),
    ],
)
def test_more_than_two_points_have_a_cause(server: ServerDelta, application: dict[str, int], cause: str) -> None:
    """Within two points nothing is said; beyond, the likeliest reason."""
    found = reconcile(server, application, Lookups())
    assert found
    assert found.explained == (cause == "")
    assert cause in found.cause
    assert bool(cause) == bool(found.cause)


def test_a_server_that_counts_nothing_is_not_compared() -> None:
    """Where INFO has no such counters there is nothing to reconcile, and nothing is made up."""
    assert reconcile(ServerDelta(60.0, {}), moved(1, 1), Lookups()) is None


def test_a_restart_is_a_gap_and_no_difference() -> None:
    """What a restarted server no longer counts is named, and raises nothing: there are no points to judge."""
    lost = delta(500, 100, "the server restarted: what it counted before is lost")
    found = reconcile(lost, moved(900, 100), Lookups())
    assert found is not None
    assert (found.points, found.explained) == (None, True)
    assert "restarted" in found.cause
