"""Upstash over HTTP, by upstash-redis.

The client's own defaults would hang a site: no HTTP timeout at all, and one retry after 3 s for every command, writes
included. Both are set here, for both faces. Values travel as text, so everything stored is UTF-8.
"""

from typing import Any, Literal

import httpx
import upstash_redis
import upstash_redis.asyncio
from upstash_redis.errors import UpstashError

from ..errors import CacheError, CacheUnavailable, refusal
from .port import Argument, Reply
from .redaction import Redaction

# Whatever an endpoint that does not speak the protocol (an HTML page, a proxy's error) makes the client raise.
_NOT_THE_PROTOCOL = (ValueError, KeyError, AttributeError, TypeError, AssertionError, RecursionError)
# Its own words for a client that was closed, or that belongs to an event loop that is.
_NOT_OPEN = (RuntimeError, httpx.InvalidURL)


class BlockingRest:
    """Send commands as HTTP requests, blocking the calling thread; safe to share between threads.

    Args:
        url: the REST endpoint.
        token: its bearer token.
        patience: seconds that connecting, or waiting for one reply, may take.
    """

    blocking: Literal[True] = True

    def __init__(self, url: str, token: str, *, patience: float) -> None:
        self._client = _build(upstash_redis.Redis, url, token, patience)
        self._redaction = Redaction(token)

    async def send(self, *command: Argument) -> Reply:
        """Send one command and return its reply."""
        try:
            return _as_bytes(self._client.execute(_prepared(command)))
        except (UpstashError, httpx.HTTPError, *_NOT_THE_PROTOCOL, *_NOT_OPEN) as error:
            raise _translated(error, self._redaction) from self._redaction.cause(error)

    def close(self) -> None:
        """Close the HTTP connections."""
        self._client.close()


class AsyncRest:
    """Send commands as HTTP requests, suspending the calling task.

    Args:
        url: the REST endpoint.
        token: its bearer token.
        patience: seconds that connecting, or waiting for one reply, may take.
    """

    blocking: Literal[False] = False

    def __init__(self, url: str, token: str, *, patience: float) -> None:
        self._client = _build(upstash_redis.asyncio.Redis, url, token, patience)
        self._redaction = Redaction(token)

    async def send(self, *command: Argument) -> Reply:
        """Send one command and return its reply."""
        try:
            return _as_bytes(await self._client.execute(_prepared(command)))
        except (UpstashError, httpx.HTTPError, *_NOT_THE_PROTOCOL, *_NOT_OPEN) as error:
            raise _translated(error, self._redaction) from self._redaction.cause(error)

    async def close(self) -> None:
        """Close the HTTP connections."""
        await self._client.close()


def _build(client_class: Any, url: str, token: str, patience: float) -> Any:
    # Without base64, text that is not UTF-8 (not ours, then) arrives with U+FFFD in it; with it, the client fails.
    client = client_class(url, token, rest_encoding=None, rest_retries=0, allow_telemetry=False)
    # upstash-redis 1.8 has no option for it; tests/test_transport_rest.py sees a silent endpoint given up in time.
    client._http._client.timeout = httpx.Timeout(patience)  # noqa: SLF001 - the only way there is
    return client


def _prepared(command: tuple[Argument, ...]) -> list[Any]:
    name, *arguments = (part.decode() if isinstance(part, bytes) else part for part in command)
    # The client reshapes the replies of commands it knows by their upper-case names; servers know both.
    return [str(name).lower(), *arguments]


def _as_bytes(reply: Any) -> Reply:
    if isinstance(reply, str):
        return reply.encode()
    if isinstance(reply, list):
        return [_as_bytes(part) for part in reply]
    if reply is None or type(reply) is int:
        return reply
    message = f"{type(reply).__name__} is no reply"
    raise TypeError(message)


def _translated(error: Exception, redaction: Redaction) -> CacheError:
    shown = redaction.text(str(error))
    if isinstance(error, httpx.HTTPError):
        return CacheUnavailable(f"no answer from the endpoint: {type(error).__name__} {shown}".rstrip())
    if type(error) in _NOT_OPEN:
        return CacheUnavailable(f"the client cannot send: {shown}")
    if isinstance(error, UpstashError) and isinstance(error.args[0], str):
        return refusal(error.args[0], shown)
    return CacheUnavailable("what answered is not an Upstash REST endpoint, or one that fails: check the URL")
