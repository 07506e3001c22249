"""What a server itself says that it was sent, by its MONITOR: the ground that published prices are tested on."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

from dousell_cache.runner import run_blocking
from dousell_cache.transport.tcp import BlockingTcp

_LINE = re.compile(rb'\+(\d+\.\d+) \[\d+ (\S+)\] "([^"]+)"(.*)')


class Received(NamedTuple):
    """A command that a client sent: when, by the server's clock, who, its name, and the rest of it."""

    at: float
    client: str
    name: str
    rest: str


class Monitor:
    """Watch one server.

    Args:
        url: the server's address.
        connection: a connection on which it tells what it receives.
    """

    def __init__(self, url: str, connection: socket.socket) -> None:
        self._url = url
        self._lines = connection.makefile("rb")

    def received(self, part: str) -> list[Received]:
        """Return what clients sent since the last time, and no script did, in which this part occurs."""
        end = uuid4().hex
        client = BlockingTcp(self._url, patience=20)
        run_blocking(client.send("ECHO", end))
        client.close()
        found = []
        for line in self._lines:
            if end.encode() in line:
                break
            match = _LINE.match(line)
            if match and match[2] != b"lua" and part.encode() in line:
                found.append(
                    Received(float(match[1]), *(group.decode(errors="replace") for group in match.groups()[1:]))
                )
        return found

    def names(self, part: str) -> list[str]:
        """Return the names of these commands."""
        return [command.name.upper() for command in self.received(part)]


@contextmanager
def watching(url: str) -> Iterator[Monitor]:
    """Watch a server for the length of a block."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), 20) as connection:
        connection.sendall(b"MONITOR\r\n")
        assert connection.recv(5) == b"+OK\r\n"
        monitor = Monitor(url, connection)
        yield monitor
        monitor._lines.close()


def most_in_a_second(times: list[float]) -> int:
    """Return how many of these times lie within one second at most."""
    return max(sum(start <= at < start + 1 for at in times) for start in times)
