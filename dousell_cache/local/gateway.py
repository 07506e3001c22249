"""What the REST emulators share: command line, server, health check, and the latency in front of them.

Each emulator is a process of its own, so that it does not share an interpreter with what is measured. It listens on
loopback only, marks every response with the header ``Dousell-Emulated``, and leaves with status 0 on SIGTERM.
"""

import argparse
import asyncio
import resource
import selectors
import signal
from types import FrameType
from typing import NoReturn, Protocol

import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from .latency import LatencyProfile

__all__ = ["Service", "arguments", "serve"]

_HEALTH_SECONDS = 1.0
_MOST_FILES = 1000  # select() can watch descriptors below 1024


class Service(Protocol):
    """An emulated service, behind a gateway."""

    async def is_ready(self) -> bool:
        """Say whether the server behind answers."""

    async def answer(self, request: Request) -> Response:
        """Answer one request."""

    async def close(self) -> None:
        """Close the connections to the server behind."""


class _Gateway:
    """The ASGI application: wait as the network would, let the service answer, mark the response.

    Bare ASGI, without router and middleware: they would cost more than the emulators' own work.
    """

    def __init__(self, service: Service, profile: LatencyProfile | None) -> None:
        self._service = service
        self._delays = profile.delays() if profile else None
        label = profile.label if profile else "no latency added, emulated"
        self._mark = (b"dousell-emulated", label.encode("latin-1"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        healthy = scope["path"] == "/health"
        try:
            response = await (self._health() if healthy else self._answer(Request(scope, receive)))
        except (
            ClientDisconnect,
            asyncio.CancelledError,
        ):  # hung up, or we are leaving: nobody to answer
            return
        response.raw_headers.append(self._mark)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if self._delays:
            await asyncio.sleep(next(self._delays))
        return await self._service.answer(request)

    async def _health(self) -> Response:
        try:
            ready = await asyncio.wait_for(self._service.is_ready(), _HEALTH_SECONDS)
        except TimeoutError:
            ready = False
        return JSONResponse({"ready": ready}, 200 if ready else 503)


def arguments(module: str, description: str) -> argparse.ArgumentParser:
    """Return a parser with the options that every emulator has: ``--port`` and ``--latency``.

    Args:
        module: the name after ``python -m``.
        description: one sentence for ``--help``.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("--port", type=int, required=True, help="port to listen on, on 127.0.0.1")
    parser.add_argument(
        "--latency", type=_latency, help="profile to add to each request: a name, or mean=5,jitter=1,seed=3 in ms"
    )
    return parser


def serve(service: Service, port: int, profile: LatencyProfile | None) -> None:
    """Serve until SIGTERM or SIGINT, then leave the process with status 0.

    Args:
        service: what answers.
        port: where to listen, on 127.0.0.1.
        profile: the latency to add to each request; None adds none.
    """
    # uvicorn raises the signal again once it has shut down: this, not the default action, must then meet it.
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    _limit_open_files()
    with asyncio.Runner(loop_factory=_event_loop) as runner:
        runner.run(_serve(service, port, profile))


async def _serve(service: Service, port: int, profile: LatencyProfile | None) -> None:
    config = uvicorn.Config(
        _Gateway(service, profile),
        host="127.0.0.1",
        port=port,
        lifespan="off",
        ws="none",
        access_log=False,
        log_level="warning",
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,  # longer than clients keep an idle connection, so that they close it and never race us
        timeout_graceful_shutdown=1,
    )
    try:
        await uvicorn.Server(config).serve()
    finally:
        await service.close()


def _event_loop() -> asyncio.AbstractEventLoop:
    # epoll rounds a wait up to whole milliseconds, which would turn a delay of 0.5 ms into 1.1; select() does not.
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


def _limit_open_files() -> None:
    # At the limit the server stops accepting for a second; one descriptor too many for select() would end it.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if soft == resource.RLIM_INFINITY else min(soft, _MOST_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _leave(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def _latency(text: str) -> LatencyProfile:
    try:
        return LatencyProfile.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
