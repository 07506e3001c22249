"""Servers that misbehave on purpose: they listen on a real socket, and count what reaches them."""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseRequestHandler, ThreadingTCPServer

Answer = Callable[[bytes], bytes | None]


class Listener:
    """A TCP server that answers each piece of what it receives with what a function says.

    Args:
        answer: from the bytes received to those sent back: ``b""`` for silence, ``None`` to hang up.
    """

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.connections = 0
        self.received: list[bytes] = []
        self._open: list[socket.socket] = []
        self.server = ThreadingTCPServer(("127.0.0.1", 0), self._handler())

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server.server_address[1])

    @property
    def address(self) -> str:
        """Its host and port."""
        return f"127.0.0.1:{self.port}"

    def hang_up(self) -> None:
        """Close every connection, so that no thread is left waiting."""
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _handler(self) -> type[BaseRequestHandler]:
        listener = self

        class Handler(BaseRequestHandler):
            def handle(self) -> None:
                listener.connections += 1
                listener._open.append(self.request)
                with suppress(OSError):
                    listener.talk(self.request)

        return Handler

    def talk(self, connection: socket.socket) -> None:
        """Answer until either side hangs up."""
        while received := connection.recv(65536):
            self.received.append(received)
            answer = self.answer(received)
            if answer is None:
                return
            connection.sendall(answer)


@contextmanager
def listening(answer: Answer) -> Iterator[Listener]:
    """Run a listener for the length of a block."""
    listener = Listener(answer)
    with _serving(listener.server):
        yield listener
        listener.hang_up()


def silence(_: bytes) -> bytes:
    """Answer nothing and keep the connection open."""
    return b""


class Endpoint:
    """An HTTP server that answers every POST alike.

    Args:
        status: the response's status.
        body: the response's body; a function of the request's headers and body, to answer with what was sent.
        content_type: what the response calls itself.
    """

    def __init__(
        self, status: int, body: bytes | Callable[[Mapping[str, str], bytes], bytes], content_type: str
    ) -> None:
        self.requests: list[bytes] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                endpoint.requests.append(received)
                answer = body if isinstance(body, bytes) else body(dict(self.headers), received)
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing on stderr."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server.server_port}"


@contextmanager
def http_endpoint(
    status: int,
    body: bytes | Callable[[Mapping[str, str], bytes], bytes],
    content_type: str = "application/json",
) -> Iterator[Endpoint]:
    """Run an HTTP server for the length of a block; each request gets a connection of its own."""
    endpoint = Endpoint(status, body, content_type)
    with _serving(endpoint.server):
        yield endpoint


@contextmanager
def _serving(server: ThreadingTCPServer | ThreadingHTTPServer) -> Iterator[None]:
    server.daemon_threads = False  # so that closing joins them
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
