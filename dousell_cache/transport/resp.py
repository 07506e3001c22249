"""The protocol's bytes: a command packed, and replies read out of what arrives. No connection is known here.

hiredis does both in C, as it does for redis-py. What the protocol does not allow on our connections (RESP3's types,
which nobody asked for) is garbage, since nothing above reads it.
"""

from typing import Any, TypeAlias

import hiredis

from .port import Argument, Reply

INCOMPLETE = object()
"""What a reader returns while a reply has not arrived in full."""

Garbage = hiredis.ProtocolError
"""What arrived is no reply; nothing that follows on the same connection can be trusted."""
Refused = hiredis.ReplyError
"""An error reply; its text is the server's whole sentence, code included."""
Received: TypeAlias = "Reply | Refused"


def pack(command: tuple[Argument, ...]) -> bytes:
    """Return a command as it is sent.

    Raises:
        TypeError: an argument is neither text, bytes nor a number.
        UnicodeEncodeError: text that UTF-8 cannot carry.
    """
    return hiredis.pack_command(command)  # type: ignore[no-any-return,arg-type]  # its stub means tuples of one


class Replies:
    """Read the replies of one connection, in their order."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader(notEnoughData=INCOMPLETE)

    def feed(self, received: bytes) -> Any:
        """Take what arrived and return the reply, or INCOMPLETE.

        Returns:
            the reply; an error reply as a :class:`Refused`, not raised, wherever in the reply it stands.

        Raises:
            Garbage: it is no reply, or more than the one that was asked for.
        """
        self._reader.feed(received)
        reply = self._reader.gets()
        kind = type(reply)
        if self._reader.has_data() and reply is not INCOMPLETE:
            message = "more than one reply to one command"
            raise Garbage(message)
        if kind is bytes or reply is INCOMPLETE:
            return reply
        return _settled(reply)


def _settled(reply: Any) -> Any:
    """Return a reply, or the first error inside it."""
    kind = type(reply)
    if kind is bytes or kind is int or reply is None or kind is Refused:
        return reply
    if kind is not list:
        message = f"{kind.__name__} is no reply"
        raise Garbage(message)
    errors = (part for part in map(_settled, reply) if type(part) is Refused)
    return next(errors, reply)
