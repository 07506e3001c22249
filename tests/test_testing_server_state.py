"""A server as a function: what is put back, what is taken out, what is asked once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dousell_cache.testing import Server, private_server
from dousell_cache.testing.replays import Refusal


@pytest.fixture
def server() -> Iterator[Server]:
    """A server for explorations, nothing asked yet."""
    with private_server() as server:
        yield server


def test_data_of_every_type_is_put_back_to_the_millisecond(server: Server) -> None:
    """Strings, hashes, lists, sets, sorted sets and streams come back as they were, and so do remaining times."""
    data = 0
    for command in (
        (b"SET", b"string", b"\x00\xff", b"PX", b"60000"),
        (b"HSET", b"hash", b"field", b"1"),
        (b"RPUSH", b"list", b"a", b"b"),
        (b"SADD", b"set", b"a", b"b"),
        (b"ZADD", b"sorted", b"1", b"a"),
        (b"XADD", b"stream", b"1-1", b"field", b"1"),
    ):
        _, data = server.run(data, command)
    assert server.run(data, (b"PTTL", b"string")) == (60_000, data)
    assert server.run(data, (b"GET", b"string")) == (b"\x00\xff", data)
    assert [key.name for key in server.keys(data)] == [b"hash", b"list", b"set", b"sorted", b"stream", b"string"]


def test_each_question_is_put_to_the_server_once(server: Server) -> None:
    """The same command on the same data is answered from memory, and other data is another question."""
    first = server.run(0, (b"INCR", b"a"))
    assert server.run(0, (b"INCR", b"a")) == first
    assert server.commands == 1
    assert server.run(first[1], (b"INCR", b"a"))[0] == 2


def test_equal_data_has_one_number(server: Server) -> None:
    """However it came about, equal data is the same data; another remaining time is other data."""
    _, data = server.run(0, (b"SET", b"a", b"1", b"PX", b"1000"))
    _, without_end = server.run(data, (b"PERSIST", b"a"))
    assert server.run(without_end, (b"PEXPIRE", b"a", b"1000")) == (1, data)
    assert without_end != data
    assert server.run(data, (b"DEL", b"a"))[1] == 0


@pytest.mark.parametrize("command", [(b"INCR", b"a"), (b"GET",), (b"NOSUCH", b"a")])
def test_a_refusal_is_an_answer_and_changes_nothing(server: Server, command: tuple[bytes, ...]) -> None:
    """An error reply comes back as such, also when the server does not even take the command."""
    _, data = server.run(0, (b"SET", b"a", b"text"))
    answer, after = server.run(data, command)
    assert isinstance(answer, Refusal)
    assert after == data


def test_a_blocking_command_does_not_wait(server: Server) -> None:
    """What would wait answers at once that there is nothing."""
    assert server.run(0, (b"BLPOP", b"a", b"0")) == (None, 0)


def test_a_private_server_leaves_nothing_behind() -> None:
    """Its folder and its process are gone when the block ends."""
    with private_server() as server:
        path = Path(server._socket.getpeername())
        assert path.exists()
    assert not path.parent.exists()
