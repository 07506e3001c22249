"""The servers of a chaos ledger: a PostgreSQL and a Valkey that nobody else uses, and a proxy that loses replies.

The database is Dousell's, as shipped, and a schema for the ledgers. A trial begins by forgetting the last one.
"""

import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import psycopg
import redis

from ..local import postgres, valkey
from ..local.process import Child, free_ports, stop_all
from .faults import FaultProxy
from .ledger_log import Row
from .relay import Plan

_SITE = files("dousell_cache.dousell").joinpath("schema.sql").read_bytes()
_TENANTS = files(__package__).joinpath("ledger_tenants.sql").read_bytes()
_LEDGERS = files(__package__).joinpath("ledger.sql").read_bytes()
_FAULTS = ("lose-reply-and-close", "reset", "lose-reply-and-stall", "delay")
_PASSWORD = "chaos"  # noqa: S105 - of a server on loopback that holds nothing and ends with the run


class Servers:
    """A PostgreSQL and a Valkey that may be emptied and killed.

    Args:
        folder: an empty folder that PostgreSQL's user may enter.
        children: receives what was started, so that it can be stopped whatever happens.
    """

    def __init__(self, folder: Path, children: list[Child]) -> None:
        self._folder = folder
        self._children = children
        self._valkey_port, postgres_port = free_ports(2)
        self.bank = postgres.url("postgres", _PASSWORD, postgres_port)
        """Where the ledgers are."""
        self.url = f"redis://127.0.0.1:{self._valkey_port}/0"
        """Where the locks are."""
        install = postgres.install_path()
        programs = postgres.programs_for(install, folder)
        initdb = self._kept(postgres.initialise(programs, folder, _PASSWORD))
        self._start_valkey()
        self._children.remove(initdb)
        server = self._kept(postgres.start(programs, folder, postgres_port, initdb))
        postgres.wait_ready(server, folder)
        postgres.create_roles(install, postgres_port, _PASSWORD, _PASSWORD)
        with psycopg.connect(self.bank) as bank:
            bank.execute(_SITE)
            bank.execute(_TENANTS)

    def forget(self) -> None:
        """Empty the ledgers and the locks."""
        with psycopg.connect(self.bank, autocommit=True) as bank:
            bank.execute("set client_min_messages to warning")
            bank.execute(_LEDGERS)
        self.wipe()

    def wipe(self) -> None:
        """Make the lock server forget everything, and drop every connection to it."""
        with redis.Redis(unix_socket_path=str(valkey.socket_path(self._folder))) as admin:
            admin.flushall()
            admin.execute_command("CLIENT", "KILL", "TYPE", "normal")

    def restart(self) -> None:
        """Kill the lock server and start it again, empty, at the same address."""
        self._valkey.popen.kill()
        self._valkey.popen.wait()
        self._children.remove(self._valkey)
        self._start_valkey()

    def rows(self) -> list[Row]:
        """Return what is in the ledgers."""
        with psycopg.connect(self.bank) as bank:
            query = "select ledger, id, name, period, fence, process, attempt from chaos.rows order by id"
            return [Row(*row) for row in bank.execute(query)]

    def _start_valkey(self) -> None:
        valkey.socket_path(self._folder).unlink(missing_ok=True)  # what a killed one leaves would look ready
        self._valkey = self._kept(valkey.start(valkey.server_path(), self._folder, self._valkey_port))
        valkey.wait_ready(self._valkey, self._folder)

    def _kept(self, child: Child) -> Child:
        self._children.append(child)
        return child


@contextmanager
def private_servers() -> Iterator[Servers]:
    """Start servers for chaos ledgers in a private folder; they end with the block.

    Raises:
        ConfigurationError: the installation lacks a server; the message says how to get it.
        CacheUnavailable: one could not be started.
    """
    folder = Path(tempfile.mkdtemp(prefix="dl-"))
    folder.chmod(0o711)  # open to the user that root's PostgreSQL runs as
    children: list[Child] = []
    try:
        postgres.require_reach(folder)
        yield Servers(folder, children)
    finally:
        stop_all(children)
        shutil.rmtree(folder, ignore_errors=True)


class LossyProxy(FaultProxy):
    """A fault proxy that loses commands and replies now and then, by chance.

    Args:
        target: the server.
        chance: decides.
        share: of commands, how many go wrong; some of them stay without an end, as when a cable is cut.
        late: seconds by which some of them come late, after their sender has given up; 0.0 for none.
        lost: told of each.
    """

    def __init__(
        self, target: str, chance: random.Random, share: float, late: float, lost: Callable[[str], None]
    ) -> None:
        super().__init__(target)
        self.share = share
        """Set to 0.0 to lose nothing more."""
        self._chance = chance
        self._late = late
        self._lost = lost

    def next_plan(self) -> Plan | None:
        """Count a command and return what is to become of it."""
        if (plan := super().next_plan()) or self._chance.random() >= self.share:
            return plan
        (fault,) = self._chance.choices(_FAULTS, (5, 2, 1, 2 if self._late else 0))
        self._lost(fault)
        return Plan(fault, self._chance.uniform(0.0, self._late))
