"""A receiver of webhooks: a real HTTP server that answers by a script and keeps what it was sent."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from .servers import serving

Reply = tuple[int, Mapping[str, str]]
TAKEN: Reply = (200, {})


class Received(NamedTuple):
    """A request as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Receiver:
    """What the server has and what it says.

    Args:
        url: its address, with a path that is a secret.
        script: its replies in their order; when they are used up it takes everything.
        received: every request.
    """

    url: str
    script: list[Reply]
    received: list[Received] = field(default_factory=list)

    @property
    def keys(self) -> list[str]:
        """The idempotency key of every request."""
        return [request.headers["Idempotency-Key"] for request in self.received]


@contextmanager
def receiving(script: Sequence[Reply] = ()) -> Iterator[Receiver]:
    """Run a receiver for the length of a block."""
    receiver = Receiver("", list(script))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.received.append(Received(self.path, dict(self.headers), body))
            status, headers = receiver.script.pop(0) if receiver.script else TAKEN
            self.send_response(status)
            for name, value in {"Content-Length": "2", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing on stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}/services/T0/c4n4ry-p4th"
    with serving(server):
        yield receiver
