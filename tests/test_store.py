"""The words flows speak: one command each, under the namespace, counted."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from dousell_cache.entries import encode
from dousell_cache.errors import CacheUnavailable, CommandRefused
from dousell_cache.runner import run_blocking
from dousell_cache.store import Store
from dousell_cache.transport.nowhere import BlockingNowhere
from dousell_cache.transport.port import Argument, BlockingTransport, Reply
from dousell_cache.transport.tcp import BlockingTcp


class Recorder:
    """A port that writes down what it passes on."""

    def __init__(self, port: BlockingTransport) -> None:
        self._port = port
        self.sent: list[tuple[Argument, ...]] = []

    async def send(self, *command: Argument) -> Reply:
        """Note the command and send it."""
        self.sent.append(command)
        return await self._port.send(*command)


@pytest.fixture
def port(valkey_url: str) -> Iterator[Recorder]:
    """A recorded way to a real Valkey."""
    transport = BlockingTcp(valkey_url, patience=5)
    yield Recorder(transport)
    transport.close()


@pytest.fixture
def namespace() -> str:
    """A namespace of this test's own."""
    return f"test-{uuid4().hex}:"


def test_each_word_is_one_command(port: Recorder, namespace: str) -> None:
    """Read, write, delete and ping send these commands and no others; values expire, and keys carry the namespace."""
    store, stored = Store(port, namespace), encode("x")
    run_blocking(store.write("a", stored, 60_000))
    run_blocking(store.read("a", Any))
    run_blocking(store.delete(("a", "b")))
    run_blocking(store.ping())
    assert port.sent == [
        ("SET", f"{namespace}a", stored, "PX", 60_000),
        ("GET", f"{namespace}a"),
        ("DEL", f"{namespace}a", f"{namespace}b"),
        ("PING",),
    ]
    assert store.commands == 4


def test_what_was_written_is_read_until_it_is_deleted(port: Recorder, namespace: str) -> None:
    """A written entry is there for readers, a deleted one is not, and deleting says how many were there."""
    store = Store(port, namespace)
    assert run_blocking(store.read("a", Any)) is None
    run_blocking(store.write("a", encode("x", 12.5), 60_000))
    entry = run_blocking(store.read("a", str))
    assert entry is not None
    assert (entry.value, entry.load_ms) == ("x", 12.5)
    assert run_blocking(store.delete(("a", "b"))) == 1
    assert run_blocking(store.delete(("a", "b"))) == 0
    assert run_blocking(store.read("a", Any)) is None


def test_the_server_expires_what_was_written(port: Recorder, namespace: str) -> None:
    """The time to live is the server's, in milliseconds: no clock of ours decides."""
    run_blocking(Store(port, namespace).write("a", encode("x"), 60_000))
    remaining = run_blocking(port.send("PTTL", f"{namespace}a"))
    assert isinstance(remaining, int)
    assert 0 < remaining <= 60_000


@pytest.mark.parametrize("foreign", ["plain text", '{"value": 1}', "123"])
def test_a_foreign_value_is_no_entry(port: Recorder, namespace: str, foreign: str) -> None:
    """What another program put under the key is not an entry of ours."""
    run_blocking(port.send("SET", f"{namespace}a", foreign, "PX", 60_000))
    assert run_blocking(Store(port, namespace).read("a", Any)) is None


def test_a_key_of_another_kind_is_refused(port: Recorder, namespace: str) -> None:
    """A list under the key is the server's refusal, told apart from its absence."""
    run_blocking(port.send("LPUSH", f"{namespace}a", "x"))
    with pytest.raises(CommandRefused) as refusal:
        run_blocking(Store(port, namespace).read("a", Any))
    assert refusal.value.code == "WRONGTYPE"
    run_blocking(port.send("DEL", f"{namespace}a"))


def test_a_command_without_an_answer_is_counted() -> None:
    """What was sent is counted, answered or not: it is what the call cost."""
    store = Store(BlockingNowhere(), "")
    with pytest.raises(CacheUnavailable):
        run_blocking(store.ping())
    assert store.commands == 1
