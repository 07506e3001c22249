"""Upstash over HTTP, by upstash-redis.

The client's own defaults would hang a site: no HTTP timeout at all, and one retry after 3 s for every command, writes
included; and each client would read the machine's certificates anew, 50 ms of processor time. So its HTTP part gets an
httpx client of ours, for both faces. Values travel as text, so everything stored is UTF-8.
"""

import asyncio
import os
import ssl
from functools import cache
from typing import Any, Literal
from weakref import WeakSet

import httpx
from upstash_redis.errors import UpstashError
from upstash_redis.http import AsyncHttpClient, SyncHttpClient, make_headers

from ..errors import CacheError, CacheUnavailable, EncodingError, refusal
from .deadline import abandonable, bound, within
from .port import Argument, CannotBlock, Reply
from .redaction import Redaction, nothing_listens

# Whatever an endpoint that does not speak the protocol (an HTML page, a proxy's error) makes the client raise.
_NOT_THE_PROTOCOL = (ValueError, KeyError, AttributeError, TypeError, AssertionError, RecursionError)
# Its own words for a client that was closed, or that belongs to an event loop that is.
_NOT_OPEN = (RuntimeError, httpx.InvalidURL)
_FAILURES = (UpstashError, httpx.HTTPError, TimeoutError, *_NOT_THE_PROTOCOL, *_NOT_OPEN)
# About the caller's account, or by an endpoint that fails: never about the one command.
_NOT_SERVED = frozenset({401, 403, 429})
_SERVER_ERRORS = 500


# Connecting takes three round trips, and a lock is asked for now and then: with httpx's own 5 s each would pay them.
_KEPT = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=55.0)


class _Rest(CannotBlock):
    """What both faces share: an endpoint, and a credential that nobody else sees."""

    def __init__(self, url: str, token: str, *, patience: float) -> None:
        self._url = url
        self.patience = patience
        self._headers = make_headers(token, None, allow_telemetry=False)
        self._redaction = Redaction(token)
        self.closed = False
        _OPEN.add(self)

    _http: Any

    def begin_anew(self) -> None:
        """Make a client, with connections of its own: a forked child must never speak over its parent's."""
        raise NotImplementedError

    def _remember(self, sync_token: str) -> None:
        self._headers["Upstash-Sync-Token"] = sync_token  # a replica shows this client what it wrote

    def _translated(self, error: Exception) -> CacheError:
        shown = self._redaction.text(str(error))
        if isinstance(error, (TimeoutError, httpx.TimeoutException)):
            return CacheUnavailable(f"no answer from the endpoint within {self.patience:g} s")
        if isinstance(error, httpx.HTTPStatusError):
            return CacheUnavailable(f"the server cannot serve: {shown}")
        if isinstance(error, httpx.HTTPError):
            told = f"no answer from the endpoint: {type(error).__name__} {shown}".rstrip()
            return CacheUnavailable(told, refused_connection=nothing_listens(error))
        if type(error) in _NOT_OPEN:
            return CacheUnavailable(f"the client cannot send: {shown}")
        if isinstance(error, UpstashError) and isinstance(error.args[0], str):
            return refusal(error.args[0], shown)
        return CacheUnavailable("what answered is not an Upstash REST endpoint, or one that fails: check the URL")


class BlockingRest(_Rest):
    """Send commands as HTTP requests, blocking the calling thread; safe to share between threads.

    Args:
        url: the REST endpoint.
        token: its bearer token.
        patience: seconds that one command may take in all; resolving the host's name comes on top.
    """

    blocking: Literal[True] = True

    def __init__(self, url: str, token: str, *, patience: float) -> None:
        super().__init__(url, token, patience=patience)
        self.begin_anew()

    def begin_anew(self) -> None:
        """Make a client, with connections of its own: a forked child must never speak over its parent's."""
        hooks = {"response": [_refuse]}
        client = httpx.Client(timeout=self.patience, limits=_KEPT, verify=_trusted(), event_hooks=hooks)
        self._http = _BlockingHttp(bound(client), self._remember)

    async def send(self, *command: Argument) -> Reply:
        """Send one command and return its reply."""
        return await self.send_within(self.patience, *command)

    async def send_within(self, seconds: float, *command: Argument) -> Reply:
        """Send one command and return its reply, given up after so many seconds if that is sooner than patience."""
        prepared = _prepared(command)
        try:
            with within(min(seconds, self.patience)):
                return _as_bytes(self._http.execute(self._url, self._headers, prepared))
        except _FAILURES as error:
            raise self._translated(error) from self._redaction.cause(error)

    def close(self) -> None:
        """Close the HTTP connections."""
        self.closed = True
        self._http.close()


class AsyncRest(_Rest):
    """Send commands as HTTP requests, suspending the calling task.

    Args:
        url: the REST endpoint.
        token: its bearer token.
        patience: seconds that one command may take in all.
    """

    blocking: Literal[False] = False

    def __init__(self, url: str, token: str, *, patience: float) -> None:
        super().__init__(url, token, patience=patience)
        self.begin_anew()

    def begin_anew(self) -> None:
        """Make a client, with connections of its own: a forked child must never speak over its parent's."""
        hooks = {"response": [_arefuse]}
        client = httpx.AsyncClient(timeout=None, limits=_KEPT, verify=_trusted(), event_hooks=hooks)  # noqa: S113
        self._http = _AsyncHttp(abandonable(client), self._remember)

    async def send(self, *command: Argument) -> Reply:
        """Send one command and return its reply."""
        return await self.send_within(self.patience, *command)

    async def send_within(self, seconds: float, *command: Argument) -> Reply:
        """Send one command and return its reply, given up after so many seconds if that is sooner than patience."""
        prepared = _prepared(command)
        try:
            async with asyncio.timeout(min(seconds, self.patience)):
                return _as_bytes(await self._http.execute(self._url, self._headers, prepared))
        except _FAILURES as error:
            raise self._translated(error) from self._redaction.cause(error)

    async def close(self) -> None:
        """Close the HTTP connections."""
        self.closed = True
        await self._http.close()


class _BlockingHttp(SyncHttpClient):
    def __init__(self, client: httpx.Client, remember: Any) -> None:
        # Not super().__init__: it takes no HTTP client, and makes one of its own at the price above.
        self._client = client
        self._encoding, self._retries, self._retry_interval, self._sync_token_cb = None, 0, 0.0, remember


class _AsyncHttp(AsyncHttpClient):
    def __init__(self, client: httpx.AsyncClient, remember: Any) -> None:
        self._client = client
        self._encoding, self._retries, self._retry_interval, self._sync_token_cb = None, 0, 0.0, remember


def _trusted() -> ssl.SSLContext:
    return _trusted_by(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@cache
def _trusted_by(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    return httpx.create_ssl_context()  # once a process, for what httpx itself reads of the environment


def _refuse(response: httpx.Response) -> None:
    if _is_failure(response):
        response.read()
        _raise_its_error(response)


async def _arefuse(response: httpx.Response) -> None:
    if _is_failure(response):
        await response.aread()
        _raise_its_error(response)


def _is_failure(response: httpx.Response) -> bool:
    return response.status_code in _NOT_SERVED or response.status_code >= _SERVER_ERRORS


def _raise_its_error(response: httpx.Response) -> None:
    told = response.json()["error"]  # whatever else the body is: not the protocol
    if isinstance(told, str):
        raise httpx.HTTPStatusError(told, request=response.request, response=response)


def _prepared(command: tuple[Argument, ...]) -> list[Any]:
    return [_as_text(part) if isinstance(part, bytes) else part for part in command]


def _as_text(argument: bytes) -> str:
    try:
        return argument.decode()
    except UnicodeDecodeError:
        message = "over REST everything is UTF-8 text, and these bytes are not"
        raise EncodingError(message) from None


def _as_bytes(reply: Any) -> Reply:
    if isinstance(reply, str):
        return reply.encode()
    if isinstance(reply, list):
        return [_as_bytes(part) for part in reply]
    if reply is None or type(reply) is int:
        return reply
    message = f"{type(reply).__name__} is no reply"
    raise TypeError(message)


_OPEN = WeakSet[_Rest]()
_INHERITED = list[Any]()
"""The parent's clients, in a forked child: collected, they would close connections that the parent goes on using."""


def _leave_the_parents() -> None:
    for transport in list(_OPEN):
        _INHERITED.append(transport._http)  # noqa: SLF001 - its own module
        if not transport.closed:
            transport.begin_anew()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_leave_the_parents)
