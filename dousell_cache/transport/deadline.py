"""HTTP calls that end in time and leave nothing open: what stands between httpcore and its sockets.

Blocking: httpx bounds each wait, so an endpoint that drips could hold a call forever; here every wait takes what is
left of the call. Resolving a host name is the one wait that Python cannot bound. Asyncio: a call is cancelled when its
time is over, and what was being opened is closed.
"""

import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ssl import SSLContext
from typing import Any

import httpcore
import httpx

_call = threading.local()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Give the HTTP call that this thread makes in the block so many seconds in all."""
    _call.until = time.monotonic() + seconds
    try:
        yield
    finally:
        del _call.until


def bound(client: httpx.Client) -> httpx.Client:
    """Make a client keep the deadlines of :func:`within`, through a proxy of the environment's too; return it."""
    _install(_Backend(), client)
    return client


def abandonable(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """Make a client close the connection of a TLS handshake that was cancelled, which httpcore forgets; return it."""
    _install(_AsyncBackend(), client)
    return client


def _install(backend: Any, client: Any) -> None:
    # httpx has no option for it; tests/test_transport_rest.py sees that it is there.
    for transport in (client._transport, *client._mounts.values()):  # noqa: SLF001 - the only way there is
        if transport is not None:
            transport._pool._network_backend = backend  # noqa: SLF001 - likewise


def _left(timeout: float | None, error: type[httpcore.TimeoutException]) -> float | None:
    until = getattr(_call, "until", None)
    if until is None:
        return timeout
    left: float = until - time.monotonic()
    if left <= 0:
        raise error("the call's time is over")
    return left


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    def __init__(self) -> None:
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectError("the host name has no address")
        for address in _addresses(host, port):  # one after the other here: Python would give each the whole time
            try:
                left = _left(timeout, httpcore.ConnectTimeout)
                return _Stream(self._backend.connect_tcp(address, port, left, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


def _addresses(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpcore.ConnectError(str(error)) from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class _AsyncStream(httpcore.AsyncNetworkStream):
    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's port
        return await self._stream.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore's port
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's port
    ) -> httpcore.AsyncNetworkStream:
        try:
            return await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            await self._stream.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _AsyncBackend(httpcore.AnyIOBackend):
    async def connect_tcp(self, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        return _AsyncStream(await super().connect_tcp(*args, **options))
