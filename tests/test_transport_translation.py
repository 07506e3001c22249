"""Foreign errors in our words; what real servers and sockets raise is in the transports' own tests."""

import errno
import socket

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from dousell_cache import CacheUnavailable
from dousell_cache.transport.redaction import Redaction
from dousell_cache.transport.translation import translated

REFUSED = f"[Errno {errno.ECONNREFUSED}] Connect call failed ('::1', 6379, 0, 0)"


@pytest.mark.parametrize(
    ("origin", "nothing_listens"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), True),
        (OSError(f"Multiple exceptions: {REFUSED}, [Errno {errno.EADDRNOTAVAIL}] Cannot assign"), True),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), True),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), True),
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), False),
        (TimeoutError("timed out"), False),
    ],
)
def test_a_refusal_is_recognised_behind_its_wrapping(origin: OSError, nothing_listens: bool) -> None:
    """redis-py wraps what the system said, and asyncio puts several addresses into one text."""
    wrapped = RedisConnectionError("Error connecting to localhost:6379")
    wrapped.__context__ = origin
    error = translated(wrapped, Redaction())
    assert isinstance(error, CacheUnavailable)
    assert error.refused_connection is nothing_listens
    assert str(error) == "no answer from the server: Error connecting to localhost:6379"
