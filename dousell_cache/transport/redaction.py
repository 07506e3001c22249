"""Redaction: what a server or a client library quotes of a credential never gets further than its transport."""

import errno
import socket
from collections.abc import Iterator

_REFUSED = f"[Errno {errno.ECONNREFUSED}]"


class Redaction:
    """Take credentials out of errors.

    Args:
        secrets: the credentials; empty ones are ignored.
    """

    def __init__(self, *secrets: str | None) -> None:
        self._secrets = tuple(secret for secret in secrets if secret)

    def text(self, told: str) -> str:
        """Return a text without the credentials."""
        for secret in self._secrets:
            told = told.replace(secret, "***")
        return told

    def cause(self, error: BaseException) -> BaseException | None:
        """Return the error, fit to be the cause of another; None if it, or what it came from, quotes a credential."""
        quoted = any(secret in str(link) for link in chain(error) for secret in self._secrets)
        return None if quoted else error


def nothing_listens(error: BaseException) -> bool:
    """Tell whether an error came of a connection that was refused, or of a host or socket that is not there."""
    if isinstance(error, BaseExceptionGroup):  # one for each address that was tried
        return all(nothing_listens(tried) for tried in error.exceptions)
    return any(
        isinstance(link, (ConnectionRefusedError, FileNotFoundError, socket.gaierror))
        or _REFUSED in str(link)  # asyncio tells of several addresses in one text
        or (link is not error and isinstance(link, BaseExceptionGroup) and nothing_listens(link))
        for link in chain(error)
    )


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Walk from an error to what it came from, as a traceback shows it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
