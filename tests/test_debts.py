"""What could not be withdrawn is owed: until it is, this process trusts nothing that the cache says."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from dousell_cache import MISSING, CacheUnavailable, connect, connect_async
from dousell_cache.debts import Debts, Withdrawal
from dousell_cache.errors import CommandRefused
from dousell_cache.events import Invalidation, Read
from dousell_cache.keys import Names
from dousell_cache.runner import run_blocking
from dousell_cache.transport.port import Argument, Reply

from .bench import word
from .faces import FACES, Face, Loader, open_face

if TYPE_CHECKING:
    from .conftest import FreeValkey, WaitUntil


@pytest.fixture(params=FACES)
async def face(request: pytest.FixtureRequest, valkey_url: str) -> AsyncIterator[Face]:
    """Both faces, without a breaker: every call tries."""
    opened = await open_face(request.param, valkey_url, breaker=False)
    yield opened
    await opened.close()


class Loss:
    """Lose commands on their way: before the server sees them, or with their replies.

    Args:
        face: whose commands.
    """

    def __init__(self, face: Face) -> None:
        self.context = face.cache._context
        self.server = self.context.server
        self._transport = face.cache._transport
        self._send = self._transport.send
        self.lost: dict[str, int] = {}
        self.replies_only = False
        self.meanwhile: Callable[[], object] = lambda: None
        self._transport.send = self.send  # type: ignore[method-assign]  # where every command goes through
        self._transport.send_within = self.send_within  # type: ignore[method-assign]  # or here

    async def send_within(self, seconds: float, *command: Argument) -> Reply:  # noqa: ARG002 - the port's
        """Send, unless the command is to be lost."""
        return await self.send(*command)

    async def send(self, *command: Argument) -> Reply:
        """Send, unless the command is to be lost."""
        name = word(command)
        if not self.lost.get(name):
            return await self._send(*command)
        self.lost[name] -= 1
        self.meanwhile()
        if self.replies_only:
            await self._send(*command)
        raise CacheUnavailable(f"{name} was lost")


KINDS = {
    "keys": (("a", "b"), {}, "DEL"),
    "keys, softly": (("a", "b"), {"soft": True}, "soften"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("replies_only", [False, True])
async def test_a_failed_invalidation_is_replayed_before_a_read_is_trusted(
    face: Face, kind: str, replies_only: bool
) -> None:
    """It raises, is told as not delivered, and the next read of anything replays it first."""
    keys, options, command = KINDS[kind]
    for key in (*keys, "other"):
        await face.set(key, "old", ttl=60)
    loss, events = Loss(face), face.record()
    loss.lost, loss.replies_only = {command: 1}, replies_only
    with pytest.raises(CacheUnavailable):
        await face.invalidate(*keys, **options)
    assert await face.get("other") == "old"
    assert await face.get_or_set("a", Loader("new"), ttl=60) == "new"
    assert await face.get("b") is MISSING
    told = [(event.delivered, event.replayed, event.keys) for event in events if isinstance(event, Invalidation)]
    assert told == [(False, False, keys), (True, True, keys)]
    assert not face.cache._debts.any


async def test_tags_and_prefixes_are_owed_like_keys(face: Face) -> None:
    """What was to be withdrawn by a tag or a prefix is withdrawn by it later."""
    await face.set("a", "old", ttl=60, tags=["t"])
    await face.set("search:1", "old", ttl=60)
    loss = Loss(face)
    loss.lost = {"invalidate_tags": 1, "SCAN": 1}
    with pytest.raises(CacheUnavailable):
        await face.invalidate_tags("t")
    with pytest.raises(CacheUnavailable):
        await face.invalidate_prefix("search:")
    assert await face.get_many(["a", "search:1"]) == {}
    async with asyncio.timeout(20):
        while face.cache._debts.any:  # a prefix is paid behind the read
            await asyncio.sleep(0.001)
    assert await face.get_many(["a", "search:1"]) == {}


READS = {
    "get": lambda face: face.get("a"),
    "get_many": lambda face: face.get_many(["a"]),
    "get_or_set": lambda face: face.get_or_set("a", Loader("new"), ttl=60),
    "get_or_set with grace": lambda face: face.get_or_set("a", Loader("new"), ttl=60, grace=60),
}


@pytest.mark.parametrize("how", READS)
async def test_nothing_is_trusted_until_it_is_paid(face: Face, how: str) -> None:
    """While a replay fails, every read goes to the origin, though the server would answer it; then all is well."""
    await face.set("a", "old", ttl=60, grace=60)
    loss = Loss(face)
    loss.lost = {"DEL": 3}
    with pytest.raises(CacheUnavailable):
        await face.invalidate("a")
    events = face.record()
    for _ in range(2):
        assert await READS[how](face) in ("new", MISSING, {})
    assert [event.outcome for event in events if isinstance(event, Read)] == ["bypass", "bypass"]
    assert face.cache._debts.any
    assert await READS[how](face) in ("new", MISSING, {})
    assert not face.cache._debts.any
    assert [event.outcome for event in events if isinstance(event, Read)][2:] == ["miss"]


async def test_a_load_begun_before_the_failed_invalidation_is_not_served_after_it(face: Face) -> None:
    """Owed during a load, replayed after it: what the load stored meanwhile is withdrawn by the replay."""
    loss = Loss(face)

    def fail_to_invalidate() -> None:
        face.cache._debts.owe(Withdrawal(("a",)))

    assert await face.get_or_set("a", Loader("old", fail_to_invalidate), ttl=60) == "old"
    assert await face.get_or_set("a", Loader("new"), ttl=60) == "new"
    del loss


async def test_a_new_failure_during_a_replay_is_replayed_too(face: Face) -> None:
    """An invalidation that fails while the same one is being replayed is not forgotten with it but replayed again."""
    await face.set("a", "old", ttl=60)
    loss = Loss(face)
    debts = face.cache._debts
    debts.owe(Withdrawal(("a",)))
    send, deletions = loss._send, list[Argument]()

    async def fail_meanwhile(*command: Argument) -> Reply:
        reply = await send(*command)
        if command[0] == "DEL":
            deletions.append(command[1])
            if len(deletions) == 1:
                debts.owe(Withdrawal(("a",)))
        return reply

    loss._send = fail_meanwhile
    assert await face.get("a") is MISSING
    assert len(deletions) == 2
    assert not debts.any


async def test_what_a_server_refuses_is_not_owed(face: Face) -> None:
    """A server that is well and says no would say it again: the caller hears of it, and the cache stays trusted."""
    await face.set("b", "x", ttl=60)
    send = face.cache._transport.send_within

    async def refuse(seconds: float, *command: Argument) -> Reply:
        if command[0] == "DEL":
            raise CommandRefused("CROSSSLOT", "CROSSSLOT Keys in request don't hash to the same slot")
        return await send(seconds, *command)

    face.cache._transport.send_within = refuse  # type: ignore[method-assign]  # where withdrawals go through
    events = face.record()
    with pytest.raises(CommandRefused):
        await face.invalidate("a")
    assert [event.delivered for event in events if isinstance(event, Invalidation)] == [False]
    assert not face.cache._debts.any
    assert await face.get("b") == "x"


@pytest.mark.parametrize("face_", FACES)
async def test_a_cancelled_invalidation_is_owed(face_: str, free_valkey: "FreeValkey") -> None:
    """An invalidation whose caller gave up before the server confirmed is replayed."""
    if face_ == "blocking":
        return
    opened = await open_face(face_, free_valkey.url)
    await opened.set("a", "old", ttl=60)
    free_valkey.pause()
    withdrawing = asyncio.ensure_future(opened.invalidate("a"))
    for _ in range(50):
        await asyncio.sleep(0)
    withdrawing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await withdrawing
    free_valkey.resume()
    async with await connect_async(free_valkey.url, patience=20) as awake:
        await awake.ping()
    assert await opened.get("a") is MISSING
    await opened.close()


@pytest.mark.parametrize("face_", FACES)
async def test_a_dead_server_is_told_when_it_is_back(face_: str, free_valkey: "FreeValkey") -> None:
    """Killed at the invalidation and back later: the process replays it before it trusts what is there."""
    opened = await open_face(face_, free_valkey.url, breaker=False)
    await opened.set("a", "old", ttl=60)
    free_valkey.kill()
    with pytest.raises(CacheUnavailable):
        await opened.invalidate("a")
    free_valkey.restart()
    stored = b'{"value":"old","load_ms":0.0,"ttl_ms":60000,"id":"x"}'  # as if the server had kept its data
    while True:
        try:
            await opened.send("SET", f"{opened.cache.namespace}a", stored)
            break
        except CacheUnavailable:
            continue
    assert await opened.get("a") is MISSING
    await opened.close()


def test_nobody_joins_a_load_that_a_failed_invalidation_did_not_stop(valkey_url: str, wait_until: "WaitUntil") -> None:
    """Who asks after it is not given the old load that an earlier caller of the process still waits for."""
    namespace = f"test-{uuid4().hex}:"
    loading, may_end = threading.Event(), threading.Event()

    def old() -> str:
        loading.set()
        assert may_end.wait(20)
        return "old"

    with (
        connect(valkey_url, namespace=namespace, patience=5, breaker=False, ttl=60) as cache,
        connect(valkey_url, namespace=namespace, patience=5, ttl=60) as other,
        ThreadPoolExecutor(3) as threads,
    ):
        elsewhere = threads.submit(other.get_or_set, "a", old)
        assert loading.wait(20)
        earlier: list[Future[object]] = []
        loss = Loss(Face(cache))
        waits = Names(namespace).waiting("a")

        def ask_meanwhile() -> None:
            earlier.append(threads.submit(cache.get_or_set, "a", lambda: "own"))
            wait_until(lambda: run_blocking(loss._send("EXISTS", waits)) == 1)

        loss.lost, loss.meanwhile = {"DEL": 1}, ask_meanwhile
        with pytest.raises(CacheUnavailable):
            cache.invalidate("a")
        later = threads.submit(cache.get_or_set, "a", lambda: "new")
        wait_until(lambda: later.done() or later.running())
        threading.Event().wait(0.1)  # long enough to join the earlier one, if it would
        may_end.set()
        assert elsewhere.result(20) == "old"
        assert later.result(20) == "new"
        assert earlier[0].result(20) in ("old", "new", "own"), "it asked before"
        assert cache.get("a") != "old"


def all_due(debts: Debts) -> list[Withdrawal]:
    """Return what pays everything that is owed, and forget it."""
    withdrawals = []
    while due := debts.due():
        withdrawals.append(due.withdrawal)
        debts.paid(due)
    return withdrawals


def test_few_commands_pay_many_debts() -> None:
    """Keys go together and tags go together, softly and for good apart; prefixes one by one."""
    debts = Debts()
    for withdrawal in (
        Withdrawal(("a", "b")),
        Withdrawal(("b", "c")),
        Withdrawal(tags=("t",)),
        Withdrawal(("a",), soft=True),
        Withdrawal(prefix="p"),
        Withdrawal(prefix="q"),
        Withdrawal(tags=("u",)),
    ):
        debts.owe(withdrawal)
    assert all_due(debts) == [
        Withdrawal(("a", "b", "c")),
        Withdrawal(tags=("t", "u")),
        Withdrawal(("a",), soft=True),
        Withdrawal(prefix="p"),
        Withdrawal(prefix="q"),
    ]
    assert not debts.any


def test_no_command_pays_more_than_a_thousand_debts() -> None:
    """What was owed during a long outage is paid in pieces, so that each of them keeps to patience."""
    debts = Debts()
    for number in range(2500):
        debts.owe(Withdrawal((f"key{number}",)))
    assert [len(withdrawal.keys) for withdrawal in all_due(debts)] == [1000, 1000, 500]


def test_what_is_owed_anew_is_not_paid_by_the_former_payment() -> None:
    """Paying forgets what was owed when the payment began, and nothing younger."""
    debts = Debts()
    assert not debts.any
    debts.owe(Withdrawal(("a",)))
    debts.owe(Withdrawal(("b",)))
    due = debts.due()
    assert due
    debts.owe(Withdrawal(("b",)))
    debts.owe(Withdrawal(("c",)))
    debts.paid(due)
    assert all_due(debts) == [Withdrawal(("b", "c"))]
    assert not debts.any


async def test_many_debts_are_paid_piece_by_piece(face: Face) -> None:
    """What one read could not pay of a long outage's debts, the next goes on with; then the cache is trusted again."""
    await face.set("other", "x", ttl=60)
    loss, debts = Loss(face), face.cache._debts
    for number in range(2500):
        debts.owe(Withdrawal((f"key{number}",)))
    send, sent = loss._send, list[int]()

    async def first_only(*command: Argument) -> Reply:
        if command[0] == "DEL":
            sent.append(len(command))
            if len(sent) == 2:
                raise CacheUnavailable("patience is over")
        return await send(*command)

    loss._send = first_only
    assert await face.get("other") is MISSING
    assert len(debts._owed) == 1500
    assert await face.get("other") == "x"
    assert not debts.any
    assert len(sent) == 4
    assert max(sent) < 5000, "names in a command"


async def test_an_owed_prefix_is_paid_behind_the_reads(face: Face) -> None:
    """However long the scan takes, no read waits for it and only one runs; then the cache is trusted again."""
    await face.set("search:1", "old", ttl=60)
    await face.set("other", "x", ttl=60)
    loss, may_scan = Loss(face), threading.Event()
    send, scans = loss._send, list[Argument]()

    async def held(*command: Argument) -> Reply:
        if command[0] == "SCAN":
            scans.append(command[1])
            while not may_scan.is_set():
                await loss.context.clock.sleep(0.001)
        return await send(*command)

    loss._send = held
    face.cache._debts.owe(Withdrawal(prefix="search:"))
    async with asyncio.timeout(20):
        while not scans:
            assert await face.get("other") is MISSING
            await asyncio.sleep(0.001)
        for _ in range(3):
            assert await face.get("other") is MISSING
        assert len(scans) == 1
        may_scan.set()
        while face.cache._debts.any:
            await asyncio.sleep(0.001)
    assert await face.get("other") == "x"
    assert await face.get("search:1") is MISSING
