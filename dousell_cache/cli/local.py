"""``dousell-cache local``: the real cloud on this machine, until Ctrl-C."""

import argparse
import json
import shlex
import signal
import sys
from collections.abc import Mapping
from typing import Any


def add(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "local",
        help="run Valkey, an Upstash emulator and a Supabase on this machine",
        description="Run a real Valkey, PostgreSQL and PostgREST with Dousell's data, and an Upstash REST emulator, "
        "on loopback until Ctrl-C; print the variables that lead there. Runs with the same latency share them.",
    )
    parser.add_argument(
        "--cache-latency", metavar="PROFILE", default="upstash-eu", help="in front of Upstash; default %(default)s"
    )
    parser.add_argument(
        "--origin-latency", metavar="PROFILE", default="supabase-eu", help="in front of Supabase; default %(default)s"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of variables")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Start the cloud, say where it is, and wait for the end."""
    from ..dousell import database
    from ..local import cloud

    with cloud(cache_latency=_profile(options.cache_latency), origin_latency=_profile(options.origin_latency)) as here:
        database.load(here.postgres_url)
        variables = {
            "REDIS_URL": here.valkey_url,
            "UPSTASH_REDIS_REST_URL": here.upstash_url,
            "UPSTASH_REDIS_REST_TOKEN": here.upstash_token,
            "SUPABASE_URL": here.supabase_url,
            "SUPABASE_KEY": here.supabase_anon_key,
            "DATABASE_URL": here.postgres_url,
        }
        added = {"upstash": here.cache_latency, "supabase": here.origin_latency}
        emulated = {service: str(latency or "no latency added") for service, latency in added.items()}
        ends = {signal.SIGINT, signal.SIGTERM}
        signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # before anybody reads that we are ready to be ended
        if options.json:
            document = {"schema": "dousell-cache/local", "version": 1, "variables": variables}
            print(json.dumps({**document, "emulated": emulated, "missing": here.missing}), flush=True)
        else:
            _print(variables, emulated, here.missing)
        return 128 + signal.sigwait(ends)


def _profile(name: str) -> str | None:
    return None if name == "none" else name


def _print(variables: dict[str, str | None], emulated: dict[str, str], missing: Mapping[str, str]) -> None:
    print("# The local cloud. Paste these where your code runs; Ctrl-C ends it.")
    for name, value in variables.items():
        if value:
            print(f"export {name}={shlex.quote(value)}")
    for service, latency in emulated.items():
        print(f"# {service}: emulated, {latency}")
    for service, reason in missing.items():
        print(f"# {service}: {reason}")
    sys.stdout.flush()
