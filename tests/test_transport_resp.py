"""The protocol's bytes: what is sent is what servers read, and what arrives is read piece by piece."""

from typing import Any

import pytest

from dousell_cache.transport.resp import INCOMPLETE, Garbage, Refused, Replies, pack


@pytest.mark.parametrize(
    ("command", "packed"),
    [
        (("GET", "a"), b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n"),
        (("SET", "é", b"\x00\r\n"), b"*3\r\n$3\r\nSET\r\n$2\r\n\xc3\xa9\r\n$3\r\n\x00\r\n\r\n"),
        (("X", 10, -1, 1.5, ""), b"*5\r\n$1\r\nX\r\n$2\r\n10\r\n$2\r\n-1\r\n$3\r\n1.5\r\n$0\r\n\r\n"),
    ],
)
def test_a_command_is_an_array_of_texts(command: tuple[Any, ...], packed: bytes) -> None:
    """Text, bytes and numbers are packed with their lengths in bytes."""
    assert pack(command) == packed


@pytest.mark.parametrize("argument", [None, True, ["a"], {"a": 1}])
def test_what_has_no_one_form_is_not_packed(argument: Any) -> None:
    """Nothing is guessed: what is neither text, bytes nor a number is refused."""
    with pytest.raises(TypeError):
        pack(("SET", "a", argument))


@pytest.mark.parametrize(
    ("sent", "reply"),
    [
        (b"+OK\r\n", b"OK"),
        (b"$3\r\na\r\n\r\n", b"a\r\n"),
        (b"$-1\r\n", None),
        (b"*-1\r\n", None),
        (b":-12\r\n", -12),
        (b"*3\r\n$1\r\na\r\n:1\r\n*1\r\n$-1\r\n", [b"a", 1, [None]]),
    ],
)
def test_a_reply_is_read_byte_by_byte(sent: bytes, reply: Any) -> None:
    """However a reply is cut into pieces, it is one reply once its last byte is there."""
    replies = Replies()
    assert [replies.feed(sent[at : at + 1]) for at in range(len(sent))] == [*[INCOMPLETE] * (len(sent) - 1), reply]
    assert replies.feed(b":1\r\n") == 1


@pytest.mark.parametrize("sent", [b"-ERR no\r\n", b"*2\r\n:1\r\n-ERR no\r\n", b"*1\r\n*2\r\n-ERR no\r\n-ERR again\r\n"])
def test_an_error_is_found_wherever_it_stands(sent: bytes) -> None:
    """The first error in a reply is the reply, with the server's whole sentence."""
    reply = Replies().feed(sent)
    assert (type(reply), str(reply)) == (Refused, "ERR no")


@pytest.mark.parametrize(
    "sent", [b"hello\r\n", b"#t\r\n", b",1.5\r\n", b"*1\r\n%0\r\n", b">1\r\n+a\r\n", b":1\r\n:2\r\n"]
)
def test_what_is_no_reply_is_garbage(sent: bytes) -> None:
    """What is not the protocol, or a later version of it, or more than was asked for, is not passed on."""
    with pytest.raises(Garbage):
        Replies().feed(sent)
