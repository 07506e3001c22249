"""What a configuration consists of, and the order in which its servers start.

A configuration is a dict of JSON values without secrets. ``valkey`` names a binary: the embedded server. With
``postgres`` (PostgreSQL's programs) it is a cloud, and ``postgrest`` (a binary or None), ``cache_latency`` and
``origin_latency`` (specs or None) say which.
"""

import secrets
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from . import postgres, postgrest, valkey
from .process import Child, answers_http, free_ports, spawn

__all__ = ["start"]

_GATEWAY_SECONDS = 30.0
_PORTS = ("valkey", "upstash", "supabase", "postgres", "postgrest", "administration")


def start(run: Path, configuration: Mapping[str, Any], children: list[Child]) -> dict[str, Any]:
    """Start everything in a configuration.

    Args:
        run: the private folder of this start.
        configuration: what to start.
        children: receives each child as soon as it runs, so that a failure half way leaves none behind.

    Returns:
        The facts that users need, as JSON values; ``socket`` is always the Valkey's.

    Raises:
        CacheError: something could not be started; PortTaken if another try may help.
    """
    if "postgres" in configuration:
        return _Cloud(run, configuration, children).start()
    return _start_valkey(run, configuration, children)


def _start_valkey(run: Path, configuration: Mapping[str, Any], children: list[Child]) -> dict[str, Any]:
    (port,) = free_ports(1)
    child = valkey.start(Path(configuration["valkey"]), run, port)
    children.append(child)
    valkey.wait_ready(child, run)
    return {"url": f"redis://127.0.0.1:{port}/0", "socket": str(valkey.socket_path(run))}


class _Cloud:
    """One start of a cloud: whatever does not depend on another server is spawned before anything is waited for."""

    def __init__(self, run: Path, configuration: Mapping[str, Any], children: list[Child]) -> None:
        self._run = run
        self._wanted = configuration
        self._children = children
        self._ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
        self._upstash_token = secrets.token_urlsafe(32)
        self._jwt_secret = secrets.token_hex(32)
        self._postgres_password = secrets.token_hex(16)
        self._authenticator_password = secrets.token_hex(16)

    def start(self) -> dict[str, Any]:
        programs = postgres.programs_for(Path(self._wanted["postgres"]), self._run)
        initdb = self._keep(postgres.initialise(programs, self._run, self._postgres_password))
        server = self._keep(valkey.start(Path(self._wanted["valkey"]), self._run, self._ports["valkey"]))
        gateways = {"upstash": self._spawn_upstash()}
        if self._wanted["postgrest"]:
            gateways["supabase"] = self._spawn_supabase()
        self._start_database(programs, initdb)
        if self._wanted["postgrest"]:
            self._start_postgrest()
        valkey.wait_ready(server, self._run)
        for name, gateway in gateways.items():
            gateway.wait_ready(partial(answers_http, self._ports[name], "/health"), _GATEWAY_SECONDS)
        return self._facts()

    def _keep(self, child: Child) -> Child:
        self._children.append(child)
        return child

    def _spawn_upstash(self) -> Child:
        options = ["--valkey-socket", str(valkey.socket_path(self._run))]
        secret = {"UPSTASH_EMULATOR_TOKEN": self._upstash_token}
        return self._spawn_gateway("upstash", options, self._wanted["cache_latency"], secret)

    def _spawn_supabase(self) -> Child:
        options = ["--postgrest", f"http://127.0.0.1:{self._ports['postgrest']}"]
        return self._spawn_gateway("supabase", options, self._wanted["origin_latency"], {})

    def _spawn_gateway(self, name: str, options: list[str], latency: str | None, secret: dict[str, str]) -> Child:
        module = [sys.executable, "-m", f"dousell_cache.local.{name}", "--port", str(self._ports[name])]
        profile = ["--latency", latency] if latency else []
        log = self._run / f"{name}.log"
        return self._keep(spawn(f"the {name} gateway", [*module, *options, *profile], log, environment=secret))

    def _start_database(self, programs: Path, initdb: Child) -> None:
        port = self._ports["postgres"]
        child = self._keep(postgres.start(programs, self._run, port, initdb))
        self._children.remove(initdb)  # its end is no failure
        postgres.wait_ready(child, self._run)
        install = Path(self._wanted["postgres"])
        postgres.create_roles(install, port, self._postgres_password, self._authenticator_password)

    def _start_postgrest(self) -> None:
        ports = self._ports["postgrest"], self._ports["administration"]
        url = postgres.url("authenticator", self._authenticator_password, self._ports["postgres"])
        binary = Path(self._wanted["postgrest"])
        child = self._keep(postgrest.start(binary, self._run, ports, url, self._jwt_secret))
        postgrest.wait_ready(child, ports[1])

    def _facts(self) -> dict[str, Any]:
        supabase = f"http://127.0.0.1:{self._ports['supabase']}" if self._wanted["postgrest"] else None
        return {
            "socket": str(valkey.socket_path(self._run)),
            "valkey_url": f"redis://127.0.0.1:{self._ports['valkey']}/0",
            "postgres_url": postgres.url("postgres", self._postgres_password, self._ports["postgres"]),
            "upstash_url": f"http://127.0.0.1:{self._ports['upstash']}",
            "upstash_token": self._upstash_token,
            "supabase_url": supabase,
            "supabase_anon_key": postgrest.key("anon", self._jwt_secret),
            "supabase_service_key": postgrest.key("service_role", self._jwt_secret),
        }
