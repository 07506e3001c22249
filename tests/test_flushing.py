"""Flushing: one command now and then, counted once, kept while the server is dead, and gone after a week."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

from dousell_cache import connect, connect_async
from dousell_cache.environments import Environment, rest
from dousell_cache.errors import CacheUnavailable, ConfigurationError
from dousell_cache.keys import Names
from dousell_cache.local import Cloud
from dousell_cache.monitor.counts import Field, accumulated
from dousell_cache.recording import EVERY_SECONDS, LIVE_MS, Recorder
from dousell_cache.runner import run_blocking
from dousell_cache.transport.port import Argument, Reply
from dousell_cache.transport.tcp import BlockingTcp

from .faces import FACES, Face, Loader, open_face
from .monitors import watching
from .watched_places import PLACES, environment_of, recorded

if TYPE_CHECKING:
    from .conftest import FreeValkey, WaitUntil

LOAD = Loader("x")


@pytest.fixture(params=FACES)
async def recording(request: pytest.FixtureRequest, valkey_url: str, namespace: str) -> AsyncIterator[Face]:
    """Both faces, recording."""
    opened = await open_face(request.param, valkey_url, namespace=namespace, ttl=60, figures=True)
    yield opened
    await opened.close()


def send(url: str, *command: Argument) -> Reply:
    """Send a command past every cache."""
    client = BlockingTcp(url, patience=5)
    try:
        return run_blocking(client.send(*command))
    finally:
        client.close()


def hours(url: str, namespace: str) -> list[bytes]:
    """Return the names of the hours that there are figures of."""
    names: Any = send(url, "KEYS", Names(namespace).figures("*"))
    return [name for name in names if b"from:" not in name]


def flushed(url: str, namespace: str) -> Counter[str]:
    """Return the fields of all hours there are."""
    fields = Counter[str]()
    for name in hours(url, namespace):
        words: Any = send(url, "HGETALL", name)
        fields.update(dict(zip((word.decode() for word in words[::2]), map(int, words[1::2]), strict=True)))
    return fields


def count(fields: Counter[str], figure: str, family: str) -> int:
    """Return what the fields count of a figure of a family, whatever the slice."""
    return accumulated({"hour": fields})[Field("local", figure, "", family)]


async def test_a_flush_is_one_command(recording: Face, valkey_url: str) -> None:
    """However many reads there were, of however many families, one command tells of them, and is counted."""
    for number in range(300):
        await recording.get_or_set(f"family{number % 60}:{number % 70}", LOAD)
    before = recording.counters().commands
    with watching(valkey_url) as monitor:
        assert await recording.flush() is True
        names = await asyncio.to_thread(monitor.names, recording.cache.namespace)
    assert names == ["EVAL"]
    assert recording.counters().commands - before == 1


async def test_a_hit_costs_what_it_cost(recording: Face, valkey_url: str) -> None:
    """Recording sends nothing: a hit stays one command."""
    await recording.get_or_set("a:1", LOAD)
    with watching(valkey_url) as monitor:
        await recording.get_or_set("a:1", LOAD)
        assert await asyncio.to_thread(monitor.names, recording.cache.namespace) == ["GET"]


async def test_flushes_are_ten_seconds_apart(recording: Face) -> None:
    """It may be asked for at every request: until ten seconds are over nothing is sent, unless it must be."""
    recorder = recording.cache.recorder
    assert isinstance(recorder, Recorder)
    times = [recorder._now()]
    recorder._now = lambda: times[-1]
    await recording.get_or_set("a:1", LOAD)
    assert await recording.flush() is True
    await recording.get_or_set("a:1", LOAD)
    times.append(times[0] + EVERY_SECONDS - 0.1)
    assert await recording.flush() is False
    assert await recording.flush(force=True) is True
    assert await recording.flush(force=True) is False, "there is nothing to tell"
    await recording.get_or_set("a:1", LOAD)
    times.append(times[-1] + EVERY_SECONDS)
    assert await recording.flush() is True


async def test_a_forked_child_tells_nothing_of_its_parent(recording: Face) -> None:
    """What the parent saw is flushed by the parent alone."""
    await recording.get_or_set("a:1", LOAD)
    recorder = recording.cache.recorder
    assert isinstance(recorder, Recorder)
    parent = recorder.process
    recording.cache._begin_anew()
    assert recorder.process != parent
    assert await recording.flush(force=True) is False


def test_a_server_that_refuses_figures_is_told_of_once(
    free_valkey: "FreeValkey", namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A user who may not count gets one line in the log, and its reads go on."""
    send(free_valkey.url, "ACL", "SETUSER", "default", "-hincrby")
    with connect(free_valkey.url, namespace=namespace, ttl=60, patience=5, figures=True) as cache:
        for _ in range(3):
            assert cache.get_or_set("a:1", LOAD) == "x"
            assert cache.flush(force=True) is False
    assert caplog.text.count("the server takes no figures") == 1


async def test_processes_add_up(recording: Face, valkey_url: str, namespace: str) -> None:
    """What two processes saw is one sum, and lives for a week."""
    with connect(valkey_url, namespace=namespace, ttl=60, patience=5, figures=True) as second:
        for _ in range(3):
            await recording.get_or_set("a:1", LOAD)
            second.get_or_set("a:1", LOAD)
        await recording.flush()
    fields = flushed(valkey_url, namespace)
    assert (count(fields, "miss", "a"), count(fields, "hit", "a"), count(fields, "flushes", "")) == (1, 5, 2)
    left = send(valkey_url, "PTTL", hours(valkey_url, namespace)[0])
    assert isinstance(left, int)
    assert LIVE_MS - 600_000 < left <= LIVE_MS


async def test_close_tells_the_rest(valkey_url: str, namespace: str) -> None:
    """A process that ends in good order leaves nothing untold."""
    for face in FACES:
        opened = await open_face(face, valkey_url, namespace=namespace, ttl=60, figures=True)
        await opened.get_or_set("a:1", LOAD)
        await opened.close()
    assert count(flushed(valkey_url, namespace), "commands", "a") == 4


async def test_a_lost_reply_counts_nothing_twice(recording: Face, valkey_url: str, namespace: str) -> None:
    """What arrived, and whose reply was lost, is sent again under its number and not added again."""
    await recording.get_or_set("a:1", LOAD)
    port = recording.cache._raw_port
    send_it: Callable[..., Awaitable[Reply]] = port.send_within

    async def lose(seconds: float, *command: Argument) -> Reply:
        await send_it(seconds, *command)
        message = "no answer in time"
        raise CacheUnavailable(message)

    port.send_within = lose  # type: ignore[method-assign]  # the network's fault, made by hand: what was sent is real
    assert await recording.flush(force=True) is False
    del port.send_within
    await recording.get_or_set("a:1", LOAD)
    assert await recording.flush(force=True) is True
    assert count(flushed(valkey_url, namespace), "hit", "a") == 0, "first what may not have arrived"
    assert await recording.flush(force=True) is True
    fields = flushed(valkey_url, namespace)
    assert (count(fields, "miss", "a"), count(fields, "hit", "a")) == (1, 1)


def test_a_dead_server_keeps_nothing_from_being_told_later(free_valkey: "FreeValkey", namespace: str) -> None:
    """While the server is down reads go on and figures wait; once it is back they are there."""
    with connect(free_valkey.url, namespace=namespace, ttl=60, patience=0.5, breaker=False, figures=True) as cache:
        free_valkey.kill()
        for _ in range(3):
            cache.get_or_set("a:1", LOAD)
        assert cache.flush(force=True) is False
        free_valkey.restart()
        assert cache.flush(force=True) is True
        assert count(flushed(free_valkey.url, namespace), "bypass", "a") == 3


async def test_it_flushes_by_itself(valkey_url: str, namespace: str, wait_until: "WaitUntil") -> None:
    """On a server the first event after ten seconds sends what there is, in nobody's way."""
    for face in FACES:
        opened = await open_face(face, valkey_url, namespace=namespace, ttl=60, figures=True)
        recorder = opened.cache.recorder
        assert isinstance(recorder, Recorder)
        await opened.get_or_set(f"{face}:1", LOAD)
        recorder._due -= EVERY_SECONDS
        await opened.get_or_set(f"{face}:1", LOAD)
        await asyncio.to_thread(wait_until, lambda: count(flushed(valkey_url, namespace), "hit", face) == 1)  # noqa: B023 - waited for here
        await opened.close()


async def test_one_flush_behind_at_a_time(valkey_url: str, namespace: str) -> None:
    """While one is under way no other begins, so that closing waits for all there are."""
    async with await connect_async(valkey_url, namespace=namespace, ttl=60, patience=5, figures=True) as cache:
        cache._flush_behind()
        first = cache._flushing
        cache._flush_behind()
        assert cache._flushing is first
        assert first
        await first
        cache._flush_behind()
        assert cache._flushing is not first
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "dousell-cache figures"]


async def test_a_serverless_function_says_when(cloud: Cloud, namespace: str) -> None:
    """On Vercel nothing is sent behind an answer that is out, when the function may be frozen; flush() sends it."""
    place = rest(cloud.upstash_url, cloud.upstash_token, emulated="Upstash")
    async with await connect_async(place, namespace=namespace, ttl=60, patience=5, figures=True) as cache:
        assert cache.recorder
        assert cache.recorder._on_due is None
        await cache.get_or_set("a:1", LOAD)
        assert await cache.flush() is True
        fields = flushed(cloud.valkey_url, namespace)
    assert accumulated({"hour": fields})[Field("vercel", "miss", "", "a")] == 1


@pytest.mark.parametrize("kind", PLACES)
def test_it_works_on_every_server(kind: str, request: pytest.FixtureRequest, namespace: str) -> None:
    """Redis 7, Valkey, a Cluster and Upstash take it, in one command to one slot."""
    environment: Environment = environment_of(kind, request)
    with recorded(environment, namespace) as cache:
        for number in range(20):
            cache.get_or_set(f"f{number % 4}:{number}", LOAD, tags=["t"])
        assert cache.flush() is True


def test_a_prefix_takes_no_figures_with_it(valkey_url: str) -> None:
    """Under a hash tag of the caller's own figures look like values, and are left alone all the same."""
    namespace = "{tagged" + str(id(object())) + "}:"
    with connect(valkey_url, namespace=namespace, ttl=60, patience=5, figures=True) as cache:
        cache.get_or_set("figures:all", LOAD)
        cache.flush()
        assert cache.invalidate_prefix("fig") == 1
        names: Any = send(valkey_url, "KEYS", f"{namespace}figures:*")
    assert len(names) == 2


def test_who_records_nothing_has_nothing_to_flush(valkey_url: str) -> None:
    """Without figures=True a flush is a mistake that is named, and nothing is recorded."""
    with connect(valkey_url) as cache:
        assert cache.recorder is None
        with pytest.raises(ConfigurationError, match=r"connect\(figures=True\)"):
            cache.flush()
    with pytest.raises(ConfigurationError, match="figures must be True or False, not 'yes'"):
        connect(valkey_url, figures="yes")  # type: ignore[arg-type]  # that is the mistake


def test_threads_record_together(valkey_url: str, namespace: str) -> None:
    """Eight threads that read at once lose no count."""
    with connect(valkey_url, namespace=namespace, ttl=60, patience=5, figures=True) as cache:
        cache.get_or_set("a:1", LOAD)
        readers = [
            threading.Thread(target=lambda: [cache.get_or_set("a:1", LOAD) for _ in range(200)]) for _ in range(8)
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
    assert count(flushed(valkey_url, namespace), "hit", "a") == 1600
