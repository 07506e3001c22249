"""What a reply must look like: a server that answers in another shape is none, and cannot serve."""

from ..errors import CacheUnavailable
from .port import Reply


def integer(reply: Reply) -> int:
    """Return a reply that is a number.

    Raises:
        CacheUnavailable: it is none.
    """
    if not isinstance(reply, int):
        raise _senseless(reply)
    return reply


def array(reply: Reply, length: int | None = None) -> list[Reply]:
    """Return a reply that is an array, of this length if one is given.

    Raises:
        CacheUnavailable: it is none.
    """
    if not isinstance(reply, list) or length not in (None, len(reply)):
        raise _senseless(reply)
    return reply


def bulk(reply: Reply) -> bytes | None:
    """Return a reply that is a string, or nothing.

    Raises:
        CacheUnavailable: it is neither.
    """
    if reply is not None and not isinstance(reply, bytes):
        raise _senseless(reply)
    return reply


def bulks(reply: Reply, length: int | None = None) -> list[bytes | None]:
    """Return a reply that is an array of strings and nothings.

    Raises:
        CacheUnavailable: it is none.
    """
    return [bulk(part) for part in array(reply, length)]


def _senseless(reply: Reply) -> CacheUnavailable:
    return CacheUnavailable(f"the server answered with {type(reply).__name__} where no server of its kind does")
