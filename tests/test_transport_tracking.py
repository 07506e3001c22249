"""The listener: what a server says about changed keys empties the near cache, and so does whatever may hide it."""

import asyncio
import inspect
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from dousell_cache.entries import Entry, encode
from dousell_cache.local import process, valkey
from dousell_cache.near import ABSENT, NearCache, NearOptions
from dousell_cache.transport import invalidations, tracking
from dousell_cache.transport.invalidations import PING_SECONDS
from dousell_cache.transport.tracking import AsyncListener, BlockingListener, factory

from .servers import listening, self_signed, silence

if TYPE_CHECKING:
    from .conftest import FreeValkey

ROWS = encode(Entry([{"id": 1}], 0.0))
REDIS = Path("/usr/bin/redis-server")
NAME = "dousell_cache-near"

pytestmark = pytest.mark.timeout(60)


class Followed:
    """A near cache and its listener, of either face."""

    def __init__(self, face: str, url: str, namespace: str = "ns:", patience: float = 1) -> None:
        self.near = NearCache(NearOptions(100, 3600), namespace, followed=True)
        blocking = face == "blocking"
        pools, retry = (redis, Retry) if blocking else (redis.asyncio, AsyncRetry)
        pool = pools.ConnectionPool.from_url(url, retry=retry(NoBackoff(), 0), driver_info=None)
        kind = BlockingListener if blocking else AsyncListener
        self.listener = kind(factory(pool, patience), self.near, namespace, patience=patience)
        self.listener.start()

    def holds(self, key: str) -> bool:
        """Return whether the near cache answers for a key now."""
        return self.near.get(key, Any, time.monotonic()) is not ABSENT

    def keep(self, key: str, *tags: str) -> bool:
        """Read a key, as it were, and return whether the near cache keeps it."""
        return self.near.put(self.near.ticket(time.monotonic()), key, ROWS, tags)

    async def on(self, *keys: str) -> None:
        """Wait until the near cache is on, with these keys in it."""
        await until(lambda: self.keep("on"))
        for key in keys:
            assert self.keep(key)

    async def close(self) -> None:
        """Close the listener."""
        closing = self.listener.close()
        if inspect.isawaitable(closing):
            await closing


Follow = Callable[..., Followed]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition without holding up the loop; fail if it does not come true in time."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, f"not true in time: {inspect.getsource(condition).strip()}"
        await asyncio.sleep(0.01)


@pytest.fixture(params=["valkey", "redis"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> "FreeValkey":
    """A server of the test's own, of each make."""
    if request.param == "redis":
        monkeypatch.setattr(valkey, "server_path", lambda: REDIS)
    started: FreeValkey = request.getfixturevalue("free_valkey")
    return started


@pytest.fixture(params=["blocking", "asyncio"])
async def follow(request: pytest.FixtureRequest) -> AsyncIterator[Follow]:
    """Follow servers by one face, until the test ends."""
    opened: list[Followed] = []

    def open_(*args: Any, **options: Any) -> Followed:
        opened.append(Followed(request.param, *args, **options))
        return opened[-1]

    yield open_
    for followed in opened:
        await followed.close()


def running() -> list[str]:
    """Return the names of the threads and tasks that listen."""
    names = [thread.name for thread in threading.enumerate()] + [task.get_name() for task in asyncio.all_tasks()]
    return [name for name in names if name == NAME]


def listeners(server: "FreeValkey") -> int:
    """Return how many connections the server pushes messages to."""
    with redis.Redis(port=server.port) as client:
        return len(client.client_list(_type="pubsub"))


async def test_what_another_client_changes_is_gone(follow: Follow, server: "FreeValkey") -> None:
    """A key written, deleted or expired, and a tag moved, by anybody: their entries are dropped, and no others."""
    with redis.Redis(port=server.port) as client:
        client.mset({"ns:deleted": 1, "ns:expired": 1})
        followed = follow(server.url)
        await followed.on("written", "deleted", "expired", "other")
        assert followed.keep("tagged", "city:Dakar")
        client.set("ns:written", 1)
        client.delete("ns:deleted")
        client.pexpire("ns:expired", 1)
        client.set("{ns:tag:city:Dakar}:version", 1)
        client.set("elsewhere:other", 1)
        await until(lambda: not any(map(followed.holds, ["written", "deleted", "expired", "tagged"])))
        assert followed.holds("other")


@pytest.mark.parametrize("namespace", ["", "{", "{shop}:"])
async def test_any_namespace_can_be_followed(follow: Follow, server: "FreeValkey", namespace: str) -> None:
    """With no namespace or an odd one, keys and tags are followed all the same."""
    followed = follow(server.url, namespace)
    await followed.on("k")
    assert followed.keep("tagged", "t")
    with redis.Redis(port=server.port) as client:
        client.set(f"{namespace}k", 1)
        client.set(f"{{{namespace}tag:t}}:version", 1)
    await until(lambda: not followed.holds("k") and not followed.holds("tagged"))


async def test_a_flushed_server_empties_it(follow: Follow, server: "FreeValkey") -> None:
    """FLUSHALL names no keys: everything goes, and it stays on."""
    followed = follow(server.url)
    await followed.on("k")
    with redis.Redis(port=server.port) as client:
        client.flushall()
    await until(lambda: len(followed.near) == 0)
    assert followed.keep("k")


async def test_a_reply_overtaken_by_the_message_is_not_kept(follow: Follow, server: "FreeValkey") -> None:
    """A key read before and put after the message about it came is not kept, though nothing was there to drop."""
    followed = follow(server.url)
    await followed.on("witness")
    ticket = followed.near.ticket(time.monotonic())
    with redis.Redis(port=server.port) as client:
        client.mset({"ns:k": 1, "ns:witness": 1})
    await until(lambda: not followed.holds("witness"))
    assert not followed.near.put(ticket, "k", ROWS)
    assert followed.keep("k")


async def test_a_killed_connection_empties_it_and_is_made_anew(follow: Follow, server: "FreeValkey") -> None:
    """The connection killed: everything goes, and what is changed after it came back is heard of again."""
    followed = follow(server.url)
    await followed.on("k")
    with redis.Redis(port=server.port) as client:
        client.client_kill_filter(_type="pubsub")
        await until(lambda: len(followed.near) == 0)
        await followed.on("k")
        client.set("ns:k", 1)
        await until(lambda: not followed.holds("k"))


async def test_a_silent_server_empties_it(follow: Follow, server: "FreeValkey") -> None:
    """A server that says nothing and closes nothing: everything goes, and it is off until the server answers again."""
    followed = follow(server.url, patience=0.5)
    await followed.on("k")
    server.pause()
    await until(lambda: len(followed.near) == 0 and not followed.keep("k"))
    server.resume()
    await followed.on("k")


async def test_a_listener_that_stands_still_is_not_trusted(follow: Follow, server: "FreeValkey") -> None:
    """Whatever keeps the listener from hearing, the near cache stops answering once an answer would be late."""
    followed = follow(server.url, patience=5)
    await followed.on("k")
    server.pause()
    bound = time.monotonic() + PING_SECONDS + 5
    assert followed.holds("k")
    assert followed.near.get("k", Any, bound) is ABSENT


async def test_closed_it_leaves_nothing(follow: Follow, server: "FreeValkey", monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing ends thread, task and connection; the near cache is empty and off, and no read turns it on again."""
    monkeypatch.setattr(invalidations, "PING_SECONDS", 3600)  # nothing but closing wakes the listener
    followed = follow(server.url)
    await followed.on("k")
    assert listeners(server) == 1
    await followed.close()
    followed.listener.start()
    assert running() == []
    await until(lambda: listeners(server) == 0)
    assert len(followed.near) == 0
    assert not followed.keep("k")


async def test_started_again_and_again_it_listens_once(follow: Follow, server: "FreeValkey") -> None:
    """Starting what runs does nothing."""
    followed = follow(server.url)
    await followed.on()
    followed.listener.start()
    await asyncio.sleep(0)
    assert listeners(server) == 1
    assert len(running()) == 1


async def test_a_silent_connection_is_no_reason_to_wait(follow: Follow) -> None:
    """Against something that accepts and never answers it stays off, tries again, and closes when told."""
    with listening(silence) as listener:
        followed = follow(f"redis://{listener.address}", patience=0.05)
        await until(lambda: listener.connections > 1)
        assert not followed.keep("k")
        await followed.close()


async def test_garbage_is_a_loss(follow: Follow) -> None:
    """Against something that is no Redis it stays off and tries again."""
    with listening(lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n") as listener:
        followed = follow(f"redis://{listener.address}")
        await until(lambda: listener.connections > 1)
        assert not followed.keep("k")
        await followed.close()


async def test_a_refusal_is_not_asked_for_again_soon(follow: Follow, server: "FreeValkey") -> None:
    """A user who may not track keeps the near cache off, without asking the server every second."""
    with redis.Redis(port=server.port) as client:
        client.acl_setuser("nobody", enabled=True, nopass=True, commands=["+client|id"], categories=["-@all"])
        followed = follow(f"redis://nobody:x@127.0.0.1:{server.port}")
        await until(lambda: any(entry["object"] == "client|tracking" for entry in client.acl_log()))
        assert not followed.keep("k")
    assert tracking._pause(redis.ResponseError("NOPERM")) >= 30
    assert tracking._pause(redis.ConnectionError("gone")) <= 2


async def test_over_tls_it_is_the_same(follow: Follow, tmp_path: Path) -> None:
    """Over TLS messages are heard, a killed connection is noticed, and closing wakes the reader."""
    (plain, port) = process.free_ports(2)
    pem = str(self_signed(tmp_path / "server.pem"))
    files = [word for name in ("cert", "key", "ca-cert") for word in (f"--tls-{name}-file", pem)]
    extra = ("--tls-port", str(port), "--tls-auth-clients", "no", *files)
    child = valkey.start(REDIS, tmp_path, plain, extra)
    try:
        valkey.wait_ready(child, tmp_path)
        followed = follow(f"rediss://127.0.0.1:{port}?ssl_cert_reqs=none")
        await followed.on("k", "l")
        with redis.Redis(port=plain) as client:
            client.set("ns:k", 1)
            await until(lambda: not followed.holds("k"))
            assert followed.holds("l")
            client.client_kill_filter(_type="pubsub")
            await until(lambda: len(followed.near) == 0)
            await followed.on("l")
        await followed.close()
    finally:
        child.popen.kill()
        child.popen.wait()


FORK = """
    import os, sys, threading, time, warnings
    warnings.simplefilter("ignore")  # newer Pythons warn of a fork beside threads, which is the point here
    import redis
    from dousell_cache.near import NearCache, NearOptions
    from dousell_cache.transport.tracking import BlockingListener, factory

    near = NearCache(NearOptions(100, 3600), "ns:", followed=True)
    pool = redis.ConnectionPool.from_url(sys.argv[1])
    listener = BlockingListener(factory(pool, 5), near, "ns:", patience=5)
    client = redis.Redis.from_url(sys.argv[1])

    def keep():
        return near.put(near.ticket(time.monotonic()), "k", b"{}")

    def until(condition):
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def hears():
        until(keep)
        client.set("ns:k", 1)
        until(lambda: len(near) == 0)

    listener.start()
    hears()
    until(keep)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            assert len(near) == 0 and not keep() and threading.active_count() == 1
            listener.start()
            hears()
            listener.close()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    hears()
    assert len(client.client_list(_type="pubsub")) == 1
    listener.close()
"""


def test_a_forked_child_begins_its_own(free_valkey: "FreeValkey") -> None:
    """A child starts empty, off and without a thread, listens once started, and leaves the parent's listener alone."""
    script = textwrap.dedent(FORK)
    root = Path(tracking.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script, free_valkey.url],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr


async def test_a_loop_that_ends_ends_the_task(free_valkey: "FreeValkey") -> None:
    """A task cancelled with its loop gives its connection back; a later loop's first read starts another."""
    followed: list[Followed] = []

    async def use() -> None:
        if not followed:
            followed.append(Followed("asyncio", free_valkey.url))
        followed[0].listener.start()
        await followed[0].on("k")

    for _ in range(2):
        await asyncio.to_thread(asyncio.run, use())
        assert len(followed[0].near) == 0
        await until(lambda: listeners(free_valkey) == 0)


async def test_a_loop_left_behind_does_not_hold_it(free_valkey: "FreeValkey") -> None:
    """A loop that stopped without ending its tasks listens no more: another loop's first read starts a task there."""
    near = NearCache(NearOptions(100, 3600), "ns:", followed=True)
    listener = AsyncListener(
        factory(redis.asyncio.ConnectionPool.from_url(free_valkey.url), 5), near, "ns:", patience=5
    )

    async def use(connections: int) -> None:
        listener.start()
        await until(lambda: listeners(free_valkey) == connections)

    async def end() -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    left = asyncio.new_event_loop()
    await asyncio.to_thread(left.run_until_complete, use(1))
    await asyncio.to_thread(asyncio.run, use(2))
    await asyncio.to_thread(left.run_until_complete, end())
    left.close()
