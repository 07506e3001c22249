"""What goes wrong below this package, in its own errors: none of redis-py's, hiredis's or the system's gets further."""

from redis.exceptions import RedisError, ResponseError

from ..errors import CacheError, CacheUnavailable, CommandRefused, refusal
from .redaction import Redaction, nothing_listens
from .resp import Garbage, Refused
from .waiting import Crowded

FOREIGN = (RedisError, OSError, RuntimeError, Garbage, Refused)
"""What sending a command may raise."""


def translated(error: Exception, redaction: Redaction) -> CacheError:
    """Return a foreign error as one of ours, without credentials."""
    code = getattr(error, "status_code", None)
    told = f"{code} {error}" if code else str(error)  # redis-py strips the code off the text
    shown = redaction.text(told)
    if isinstance(error, RuntimeError):
        return CacheUnavailable(f"the client cannot send: {shown}")
    if isinstance(error, (Refused, ResponseError)):
        return refusal(told, shown)
    if code:
        return CacheUnavailable(f"the server cannot serve: {shown}")
    if isinstance(error, Crowded):
        return CacheUnavailable(f"no connection was free: {shown}", never_sent=True)
    return CacheUnavailable(f"no answer from the server: {shown}", refused_connection=nothing_listens(error))


def unconnected(error: Exception, redaction: Redaction) -> Exception:
    """Return what went wrong in connecting: where a server refuses that, there is none to be asked anything."""
    if not isinstance(error, ResponseError):
        return error
    refused = translated(error, redaction)
    return CacheUnavailable(str(refused)) if isinstance(refused, CommandRefused) else refused
