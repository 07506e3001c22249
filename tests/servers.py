"""Servers that misbehave on purpose: they listen on a real socket, and count what reaches them."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Answer = Callable[[bytes], bytes | None]
Body = bytes | Callable[[Mapping[str, str], bytes], bytes]


class Listener:
    """A TCP server that answers each piece of what it receives with what a function says.

    Args:
        answer: from the bytes received to those sent back: ``b""`` for silence, ``None`` to hang up.
        then_hang_up: whether one answer is all it gives.
        certificate: a file with a key and its certificate, to speak TLS.
    """

    def __init__(self, answer: Answer, then_hang_up: bool = False, certificate: Path | None = None) -> None:
        self.answer = answer
        self.then_hang_up = then_hang_up
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
        if self._tls and certificate:
            self._tls.load_cert_chain(certificate)
        self.connections = 0
        self.received: list[bytes] = []
        self._open: list[socket.socket] = []
        self._last_port = 0
        self._drained = threading.Event()
        self.server = self._server()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server.server_address[1])

    @property
    def address(self) -> str:
        """Its host and port."""
        return f"127.0.0.1:{self.port}"

    def drain(self) -> None:
        """Wait until every connection made so far was seen, and let each be read to its end but no further."""
        with socket.socket() as last:
            last.bind(("127.0.0.1", 0))
            self._last_port = last.getsockname()[1]
            last.connect(self.server.server_address)
            assert self._drained.wait(20)
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)

    def accepted(self, connection: socket.socket, port: int) -> None:
        """Take note of a connection, in the thread that accepts them: in their order."""
        if port == self._last_port:
            self._drained.set()
        else:
            self.connections += 1
            self._open.append(connection)

    def _server(self) -> ThreadingTCPServer:
        listener = self

        class Server(ThreadingTCPServer):
            def process_request(self, request: Any, client_address: Any) -> None:
                listener.accepted(request, client_address[1])
                super().process_request(request, client_address)

        class Handler(BaseRequestHandler):
            def handle(self) -> None:
                with suppress(OSError):
                    listener.serve(self.request)

        return Server(("127.0.0.1", 0), Handler)

    def serve(self, connection: socket.socket) -> None:
        """Talk on a connection, after the handshake if there is to be one."""
        if not self._tls:
            return self._talk(connection)
        with self._tls.wrap_socket(connection, server_side=True) as encrypted:
            return self._talk(encrypted)

    def _talk(self, connection: socket.socket) -> None:
        while received := connection.recv(65536):
            self.received.append(received)
            answer = self.answer(received)
            if answer is None:
                return
            connection.sendall(answer)
            if self.then_hang_up:
                return


@contextmanager
def listening(answer: Answer, *, then_hang_up: bool = False, certificate: Path | None = None) -> Iterator[Listener]:
    """Run a listener for the length of a block."""
    listener = Listener(answer, then_hang_up, certificate)
    with serving(listener.server):
        yield listener
        listener.drain()


def silence(_: bytes) -> bytes:
    """Answer nothing and keep the connection open."""
    return b""


def self_signed(path: Path) -> Path:
    """Write a key and its certificate for 127.0.0.1, which nobody has reason to trust, and return the file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


class Endpoint:
    """An HTTP server that answers every POST alike.

    Args:
        status: the response's status.
        body: the response's body; a function of the request's headers and body, to answer with what was sent.
        headers: the response's headers.
    """

    def __init__(self, status: int, body: Body, headers: Mapping[str, str]) -> None:
        self.requests: list[bytes] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                endpoint.requests.append(received)
                answer = body if isinstance(body, bytes) else body(dict(self.headers), received)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
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
    status: int, body: Body, content_type: str = "application/json", *, location: str = ""
) -> Iterator[Endpoint]:
    """Run an HTTP server for the length of a block; each request gets a connection of its own."""
    headers = {"Content-Type": content_type} | ({"Location": location} if location else {})
    endpoint = Endpoint(status, body, headers)
    with serving(endpoint.server):
        yield endpoint


@contextmanager
def serving(server: ThreadingTCPServer | ThreadingHTTPServer) -> Iterator[None]:
    """Serve for the length of a block, and wait for every request to end."""
    server.daemon_threads = False  # so that closing joins them
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
