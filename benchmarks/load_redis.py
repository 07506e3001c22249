"""The same GET by redis-benchmark and by our loops, in turn: a part of ``benchmarks.load``.

redis-benchmark's histogram has steps of 8 µs (HDR, from 10 µs on), and without ``--precision`` it tells milliseconds.
"""

import asyncio
import csv
import socket
import subprocess
from collections.abc import Iterator
from functools import partial
from urllib.parse import urlsplit

import numpy as np
from redis import Redis

from dousell_cache.measure.load import LoadResult, run_closed_loop, run_open_loop
from dousell_cache.measure.workload import Schedule
from dousell_cache.testing import FaultProxy

from .harness import server

Row = tuple[str, ...]
KEY = "benchmark"
PERCENTS = (50, 95, 99)
AWAY_SECONDS = 0.005  # for what is to be measured at a distance


class Getter(asyncio.Protocol):
    """GET over a plain socket, as redis-benchmark does it: no client library between."""

    command = f"*2\r\n$3\r\nGET\r\n${len(KEY)}\r\n{KEY}\r\n".encode()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker
        self.transport, self.waiting = transport, list[asyncio.Future[str]]()

    def data_received(self, data: bytes) -> None:
        """Answer those who wait, the first first; a small reply to one comes in one piece."""
        for _ in range(data.count(b"$3\r\n")):
            self.waiting.pop(0).set_result("hit")

    async def get(self, _index: int) -> str:
        """Ask."""
        self.waiting.append(asyncio.get_running_loop().create_future())
        self.transport.write(self.command)
        return await self.waiting[-1]


class Plain:
    """The same without an event loop between: sends, and blocks until it is answered."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def get(self, _index: int) -> str:
        """Ask."""
        self.socket.sendall(Getter.command)
        self.socket.recv(64)
        return "hit"


def redis(seconds: float) -> Iterator[Row]:
    """GET of 3 bytes, one connection, beside redis-benchmark: ms, medians of 5 rounds in turn."""
    yield "what", *(f"P{percent}" for percent in PERCENTS)
    requests = int(seconds * 200)
    with server() as near, FaultProxy(near.url) as away:
        with Redis.from_url(near.url) as client:
            client.set(KEY, "xxx")
        away.inject("delay", seconds=AWAY_SECONDS)
        direct = urlsplit(near.url).port or 0
        for where, port, count in (("loopback", direct, requests), ("5 ms away", away.port, requests // 40)):
            ways = {
                "redis-benchmark": partial(redis_benchmark, port, count),
                "closed loop, blocking": partial(blocking_gets, port, count),
                "closed loop, asyncio": partial(gets, port, count, closed=True),
                "open loop, asyncio, precise": partial(gets, port, count, closed=False),
            }
            rounds: dict[str, list[list[float]]] = {name: [] for name in ways}
            for _ in range(5):
                for name, way in ways.items():
                    rounds[name].append(way())
            for name, figures in rounds.items():
                yield f"{where}: {name}", *(f"{value:.3f}" for value in np.median(figures, axis=0))


def redis_benchmark(port: int, requests: int) -> list[float]:
    """Return the percentiles, in ms, that redis-benchmark tells for one connection."""
    command = ["redis-benchmark", "-p", str(port), "-c", "1", "-n", str(requests), "--csv", "GET", KEY]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    (figures,) = csv.DictReader(told.splitlines())
    return [float(figures[f"p{percent}_latency_ms"]) for percent in PERCENTS]


def gets(port: int, requests: int, *, closed: bool) -> list[float]:
    """Return the percentiles, in ms, of the same as our loops tell them."""

    async def run() -> LoadResult:
        transport, getter = await asyncio.get_running_loop().create_connection(Getter, "127.0.0.1", port)
        try:
            if closed:
                return await run_closed_loop(getter.get, requests=requests)
            rate = 500 if requests > 1_000 else 20
            count = min(requests, 2_500)
            return await run_open_loop(Schedule.constant(rate, requests=count), getter.get, precise=True)
        finally:
            transport.close()

    return percentiles(asyncio.run(run()))


def blocking_gets(port: int, requests: int) -> list[float]:
    """Return the percentiles, in ms, of a closed loop whose event loop has nothing to do."""

    async def run() -> LoadResult:
        plain = Plain(port)
        with plain.socket:
            return await run_closed_loop(plain.get, requests=requests)

    return percentiles(asyncio.run(run()))


def percentiles(load: LoadResult) -> list[float]:
    """Return the percentiles of the service times, in ms."""
    return [float(one) for one in np.percentile(load.service_ms, PERCENTS)]
