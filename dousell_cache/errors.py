"""Errors, sorted by whose fault they are: yours, the network's, another holder's.

A foreign library's exception never leaves this package: each transport maps it here, at its edge, and keeps the
original as the cause. No message carries a credential.
"""

__all__ = [
    "CacheError",
    "CacheUnavailable",
    "CommandRefused",
    "ConfigurationError",
    "EncodingError",
    "LockBusy",
    "LockLost",
    "LockUnavailable",
    "MeasurementFailed",
    "installing",
    "refusal",
]


class CacheError(Exception):
    """Base of every error this package raises."""


class ConfigurationError(CacheError, ValueError):
    """Yours: a setting or an argument makes no sense; the message names it and says what would."""


class EncodingError(CacheError, TypeError):
    """Yours: a value has no JSON form, so it cannot be stored."""


class CacheUnavailable(CacheError):
    """The network's: no server answered in time, or it answered that it cannot serve now.

    Args:
        message: what happened, in one sentence.
        refused_connection: whether nothing listens there, which no patience would change.
        never_sent: whether the command was not even sent: the cache is taken for dead, or no connection was free.
        answered: whether a server did answer, that it cannot serve.
    """

    def __init__(
        self,
        message: str = "",
        *,
        refused_connection: bool = False,
        never_sent: bool = False,
        answered: bool = False,
    ) -> None:
        super().__init__(message)
        self.refused_connection = refused_connection
        self.never_sent = never_sent
        self.answered = answered

    @property
    def ambiguous(self) -> bool:
        """Whether the command may have been executed all the same: it was sent, and nobody said no."""
        return not (self.refused_connection or self.never_sent or self.answered)


class CommandRefused(CacheError):
    """The server understood a command and said no.

    Args:
        code: the first word of the server's error, such as ``WRONGTYPE`` or ``NOSCRIPT``.
        message: the server's whole sentence.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class LockBusy(CacheError):
    """Another holder's: somebody else has the lock.

    Args:
        message: which lock, in one sentence.
        seconds_left: what the present holder's time has left, unless it is extended.
    """

    def __init__(self, message: str = "", *, seconds_left: float = 0.0) -> None:
        super().__init__(message)
        self.seconds_left = seconds_left


class LockUnavailable(CacheError):
    """The network's: nobody could say whether the lock is free, so it is not granted."""


class LockLost(CacheError):
    """The lock was ours and its validity is over."""


class MeasurementFailed(CacheError):
    """What was measured says nothing: what it was to be compared with failed."""


# A server that answers one of these is alive, but no cache for us: its callers go to the origin.
_CANNOT_SERVE = frozenset(
    {
        "BUSY",
        "CLUSTERDOWN",
        "DENIED",
        "LOADING",
        "MASTERDOWN",
        "MISCONF",
        "NOAUTH",
        "NOPERM",
        "NOREPLICAS",
        "OOM",
        "READONLY",
        "TRYAGAIN",
        "Unauthorized",  # Upstash's word for WRONGPASS
        "WRONGPASS",
    }
)
# Said with the general code ERR; they are about the server or, at Upstash, the account, whatever the command.
_LIMITS = (
    "max number of clients reached",
    "max daily request limit exceeded",
    "max requests limit exceeded",
    "max concurrent connections exceeded",
    "DB capacity quota exceeded",
)


def installing(extra: str) -> str:
    """Return the command that brings an extra's packages, for the end of a sentence; it asks no index for this one.

    Args:
        extra: ``lab``, ``cluster``, ``prometheus`` or ``opentelemetry``.
    """
    return f'pip install "dousell-cache[{extra}] @ git+<its repository\'s URL>", or ".[{extra}]" in a clone'


def refusal(message: str, shown: str) -> CacheError:
    """Sort a server's error reply: unable to serve at all, or this command refused.

    Args:
        message: the server's whole sentence; its first word is the code.
        shown: the same without credentials.
    """
    code = message.partition(" ")[0]
    if code in _CANNOT_SERVE or any(limit in message for limit in _LIMITS):
        return CacheUnavailable(f"the server cannot serve: {shown}", answered=True)
    return CommandRefused(shown.partition(" ")[0], shown)
