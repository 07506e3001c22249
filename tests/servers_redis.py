"""Real Redis servers: Debian's Redis 7 plain and over TLS, a Cluster of three, a master with a replica and a Sentinel.

Each listens on private ports of 127.0.0.1, keeps nothing on disk, and dies with the process that started it.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from dousell_cache.local import process, valkey
from dousell_cache.local.process import Child

from .servers import self_signed

_SECONDS = 20.0  # a deadline for a laden machine, never a wait
_SLOTS = 16384
SERVICE = "dousell"


def redis_server() -> Path:
    """Find Redis 7's own server, which is not the embedded Valkey."""
    found = shutil.which("redis-server")
    if not found:
        pytest.fail("these tests need Redis's own server: apt-get install redis-server")
    return Path(found)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition is true of servers that may not answer yet."""
    deadline = time.monotonic() + _SECONDS
    while not _true(condition):
        assert time.monotonic() < deadline, f"{what}: not after {_SECONDS:g} s"
        time.sleep(0.02)


def _true(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except (RedisError, OSError):
        return False


def administrator(port: int) -> Any:
    """Return a client of a server on this machine, to arrange and to look at what a test needs."""
    return redis.Redis(port=port, retry=Retry(NoBackoff(), 0), driver_info=None, decode_responses=True)


class Server:
    """A server of a test's own.

    Args:
        binary: its program.
        base: where it gets a folder of its own.
        extra: more arguments.
    """

    def __init__(self, binary: Path, base: Path, *extra: str) -> None:
        (self.port,) = process.free_ports(1)
        self.folder = base / str(self.port)
        self.folder.mkdir()
        self.child: Child = valkey.start(binary, self.folder, self.port, extra)
        valkey.wait_ready(self.child, self.folder)
        self._admin = administrator(self.port)

    @property
    def address(self) -> str:
        """Its host and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Its URL."""
        return f"redis://{self.address}/0"

    def ask(self, *command: Any) -> Any:
        """Send a command as its administrator."""
        return self._admin.execute_command(*command)

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would; a second time does nothing."""
        self._admin.close()
        self.child.popen.kill()
        self.child.popen.wait()


class TlsServer(Server):
    """A Redis that also speaks TLS, under a certificate that nobody else trusts."""

    def __init__(self, base: Path) -> None:
        (self.tls_port,) = process.free_ports(1)
        self.certificate = str(self_signed(base / "certificate.pem"))
        files = ("--tls-cert-file", "--tls-key-file", "--tls-ca-cert-file")
        named = [part for option in files for part in (option, self.certificate)]
        super().__init__(redis_server(), base, "--tls-port", str(self.tls_port), "--tls-auth-clients", "no", *named)

    @property
    def tls_url(self) -> str:
        """Its URL over TLS, with the certificate to trust."""
        return f"rediss://127.0.0.1:{self.tls_port}/0?ssl_ca_certs={self.certificate}"


class ThreeNodes:
    """A Cluster of three embedded Valkeys, without replicas.

    Args:
        base: where each gets a folder of its own.
    """

    def __init__(self, base: Path) -> None:
        self.servers = [self._server(base) for _ in range(3)]
        first, *others = self.servers
        for number, server in enumerate(self.servers):
            server.ask("CLUSTER", "ADDSLOTSRANGE", _SLOTS * number // 3, _SLOTS * (number + 1) // 3 - 1)
            server.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for server in others:
            first.ask("CLUSTER", "MEET", "127.0.0.1", server.port, self.bus[server.port])
        for server in self.servers:
            wait_for(partial(self._complete, server), "the Cluster's state is ok")

    @property
    def url(self) -> str:
        """Its URL, which names two of the three."""
        return f"redis+cluster://{self.servers[0].address},{self.servers[1].address}"

    def holder(self, slot: int) -> Server:
        """Return the server that was given a slot."""
        return next(server for number, server in enumerate(self.servers) if slot < _SLOTS * (number + 1) // 3)

    def identity(self, server: Server) -> str:
        """Return a server's name inside the Cluster."""
        return str(server.ask("CLUSTER", "MYID"))

    def kill(self) -> None:
        """End them all."""
        for server in self.servers:
            server.kill()

    def _server(self, base: Path) -> Server:
        (bus,) = process.free_ports(1)
        options = ("--cluster-enabled", "yes", "--cluster-port", str(bus), "--cluster-require-full-coverage", "no")
        server = Server(valkey.server_path(), base, *options)
        self.bus = getattr(self, "bus", {}) | {server.port: bus}
        return server

    def _complete(self, server: Server) -> bool:
        state, ranges = server.ask("CLUSTER", "INFO"), server.ask("CLUSTER", "SLOTS")
        is_ok = state["cluster_state"] == "ok" if isinstance(state, dict) else "cluster_state:ok" in state
        return is_ok and len(ranges) == len(self.servers)


class Watched:
    """A Redis 7 master with one replica, and the Sentinel that watches them.

    Args:
        base: where each gets a folder of its own.
    """

    def __init__(self, base: Path) -> None:
        binary = redis_server()
        self.master = Server(binary, base, "--repl-diskless-sync-delay", "0")
        self.replica = Server(binary, base, "--replicaof", "127.0.0.1", str(self.master.port))
        wait_for(lambda: self.replica.ask("ROLE")[3] == "connected", "the replica follows its master")
        (self.port,) = process.free_ports(1)
        self._sentinel = process.spawn("Sentinel", [binary, self._settings(base), "--sentinel"], base / "sentinel.log")
        self._admin = administrator(self.port)
        wait_for(lambda: len(self._replicas()) == 1, "the Sentinel knows the replica")

    @property
    def url(self) -> str:
        """The URL of the service."""
        return f"redis+sentinel://127.0.0.1:{self.port}/{SERVICE}"

    def named_master(self) -> int:
        """Return the port of the master, as the Sentinel knows it."""
        _, port = self._admin.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return int(port)

    def fail_over(self) -> None:
        """Have the Sentinel promote the replica while the master lives, and wait until the old one follows it."""
        wait_for(self._begin, "the Sentinel has seen enough of the replica to promote it")
        wait_for(lambda: self.master.ask("ROLE")[0] == "slave", "the old master follows the new one")

    def kill(self) -> None:
        """End them all."""
        self._admin.close()
        process.stop_all([self._sentinel])
        for server in (self.replica, self.master):
            server.kill()

    def _begin(self) -> bool:
        return bool(self._admin.execute_command("SENTINEL", "FAILOVER", SERVICE))

    def _replicas(self) -> list[Any]:
        replicas = self._admin.execute_command("SENTINEL REPLICAS", SERVICE)
        return list(replicas)

    def _settings(self, base: Path) -> Path:
        path = base / "sentinel.conf"  # a Sentinel writes what it learns into its own settings
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"sentinel monitor {SERVICE} 127.0.0.1 {self.master.port} 1",
            f"sentinel down-after-milliseconds {SERVICE} 300",
            f"sentinel failover-timeout {SERVICE} 2000",
        ]
        path.write_text("\n".join(lines) + "\n")
        return path


T = TypeVar("T", Server, TlsServer, ThreeNodes, Watched)


@contextmanager
def running(kind: Callable[[Path], T]) -> Iterator[T]:
    """Run servers for the length of a block, in a folder whose name is short enough for a unix socket."""
    base = Path(tempfile.mkdtemp(prefix="dr-", dir="/tmp"))
    servers = kind(base)
    try:
        yield servers
    finally:
        servers.kill()
        shutil.rmtree(base)
