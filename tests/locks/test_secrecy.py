"""What nobody may see or touch: tokens (A16), other names (A18), and what a server's administrator must allow (A17)."""

import asyncio
import logging
import os
import traceback
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dousell_cache.environments import from_url
from dousell_cache.errors import CacheError, LockBusy, LockLost
from dousell_cache.keys import Names, hash_tag

from ..faces import FACES
from .parties import Scene, Ways

# What the user of a server needs for locks, and no more. TIME, LREM and the others are sent by scripts alone, which run
# with their caller's rights; AUTH is the connection's.
COMMANDS = (
    *("get", "mget", "set", "del", "exists", "pttl", "pexpire"),
    *("lpop", "lpos", "lrem", "lindex", "rpush", "blpop", "time", "eval", "evalsha"),
)


@pytest.fixture
def restricted(valkey_url: str) -> Iterator[Scene]:
    """A scene on a server that lets its user do what locks need, on keys of the namespace alone."""
    scene = Scene("blocking", Ways("tcp", valkey_url))
    scene.ask(
        *("ACL", "SETUSER", "locks", "reset", "on", ">a-password", "-@all"),
        *(f"+{command}" for command in COMMANDS),
        *(f"~{scene.namespace}*", f"~{{{scene.namespace}*"),
    )
    yield scene
    scene.ask("ACL", "DELUSER", "locks")


async def flow(scene: Scene, face: str, address: str) -> None:
    """Do everything that can be done with a lock, as a user."""
    scene.face = face
    target = from_url(f"redis://locks:a-password@{address}/0")
    a, b = await scene.party(target), await scene.party(target)
    grip = await a.take(20, renew=True)
    await grip.ensure()
    await grip.extend(30, fence_above=2)
    task = asyncio.ensure_future(b.take(wait=20, fair=True))
    await scene.until(lambda: task.done() or scene.ask("LLEN", scene.names().queue))
    await grip.release()
    await (await task).release()
    scene.ask("RPUSH", scene.names().queue, "somebody", "else")
    grip = await a.take(0.1)
    await scene.until(lambda: scene.holder() is None)
    with pytest.raises(LockLost):
        await grip.release()
    scene.ask("DEL", scene.names().turn)
    with pytest.raises(LockBusy):
        await b.take(fair=True)


@pytest.mark.parametrize("face", FACES)
async def test_a17_locks_need_these_commands_and_no_others(restricted: Scene, face: str) -> None:
    """All that locks do works for a user who may run COMMANDS on keys of the namespace, and nothing else."""
    try:
        await flow(restricted, face, urlsplit(restricted.ways.url).netloc)
    finally:
        await restricted.close()


@pytest.mark.parametrize("missing", [command for command in COMMANDS if command != "blpop"])
async def test_a17_each_of_these_commands_is_needed(restricted: Scene, missing: str) -> None:
    """Without any one of them something of a lock fails, so the list is no longer than it must be.

    Without BLPOP waiters only ask more often: it is on the list for their sake.
    """
    restricted.ask("ACL", "SETUSER", "locks", f"-{missing}")
    try:
        with pytest.raises(CacheError):
            await flow(restricted, "asyncio", urlsplit(restricted.ways.url).netloc)
    finally:
        await restricted.close()


async def test_a16_nobody_sees_a_token(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """A token is who holds the lock: it is in no repr, no event, no error and no line of a log."""
    caplog.set_level(logging.DEBUG)
    canary = "cafe1234deadbeef"
    with scene.ways.proxy() as proxy:
        a = await scene.party(scene.ways.through(proxy), patience=0.2, lock_patience=0.3, breaker=False)
        a.cache._context = replace(a.cache._context, token=lambda: canary)
        grip = await a.take(on_lost=lambda _: 1 / 0)
        assert scene.holder() == canary * 2
        seen = [repr(part) for part in (grip.held, a.cache, a.cache.lock("x"))]
        for fault in ("refuse", "silence", "garbage", "lose-reply-and-close"):
            proxy.inject(fault)
            for word in (grip.ensure, grip.extend, grip.release, a.take):
                try:
                    await word()
                except CacheError as error:
                    seen += traceback.format_exception(error)
        proxy.heal()
        scene.expire()
        seen += await refused(grip)
    seen += [repr(event) for event in a.events] + [record.getMessage() for record in caplog.records]
    assert len(seen) > 20
    assert not [text for text in seen if canary in text]


async def refused(grip: Any) -> list[str]:
    """Return what is told of a lock that is lost."""
    try:
        await grip.ensure()
    except CacheError as error:
        return [*traceback.format_exception(error), repr(grip.held)]
    return []


EXAMPLES = 10_000 if os.environ.get("DOUSELL_CACHE_REPEATS") else 200

NASTY = st.one_of(
    st.text(alphabet="{}:lockfence", min_size=1, max_size=12),
    st.text(min_size=1, max_size=30).filter(lambda name: not any("\ud800" <= letter <= "\udfff" for letter in name)),
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(NASTY, min_size=2, max_size=6, unique=True), st.sampled_from(["", "ns:", "{tag}:", "a}b:", "{"]))
def test_a18_names_never_meet(names: list[str], namespace: str) -> None:
    """Whatever two locks are called, no two of their names on the server are the same, and all are in the namespace."""
    of = Names(namespace)
    seen = dict[str, str]()
    for name in names:
        lock = of.lock(name, "0123")
        own = (lock.lock, lock.fence, lock.queue, lock.turn, lock.bells + "0123", lock.gone)
        assert len(set(own)) == len(own)
        for key in own:
            assert seen.setdefault(key, name) == name
            assert key.removeprefix("{").startswith(namespace.removeprefix("{"))


@settings(max_examples=EXAMPLES, deadline=None)
@given(NASTY, st.sampled_from(["", "ns:", "{tag}:"]))
def test_a18_a_lock_is_in_one_slot(name: str, namespace: str) -> None:
    """All names of a lock hash alike in a Cluster, unless its name has a stray brace, which cannot be mended there."""
    lock = Names(namespace).lock(name, "0123")
    tags = {hash_tag(key) for key in (lock.lock, lock.fence, lock.queue, lock.turn, lock.bells + "0123", lock.gone)}
    if not hash_tag(namespace + name) and "}" in name:
        return
    assert len(tags) == 1
    assert tags != {""}
