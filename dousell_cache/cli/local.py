"""``dousell-cache local``: the real cloud on this machine, until Ctrl-C."""

import argparse
import json
import shlex
import signal
import sys
import time
from collections.abc import Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any

from ..transport.connect import listens

if TYPE_CHECKING:
    from ..local import Cloud

_LOOK_SECONDS = 1.0
_FAILED = 3


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
    from ..dousell.stand_in import latency
    from ..local import cloud

    cache_latency = latency(options.cache_latency, "--cache-latency")
    origin_latency = latency(options.origin_latency, "--origin-latency")
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, _end)
    try:
        with cloud(cache_latency=cache_latency, origin_latency=origin_latency) as here:
            database.load(here.postgres_url)
            _say(here, as_json=options.json)
            while listens(here.valkey_url):
                time.sleep(_LOOK_SECONDS)
    except _Ended as ended:
        return 128 + ended.signum
    print("dousell-cache: the local cloud is gone: one of its servers ended", file=sys.stderr)
    return _FAILED


class _Ended(Exception):
    # No error: somebody asked us to stop.
    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


def _end(signum: int, _frame: FrameType | None) -> None:
    raise _Ended(signum)


def _say(here: "Cloud", *, as_json: bool) -> None:
    variables = {
        "REDIS_URL": here.valkey_url,
        "UPSTASH_REDIS_REST_URL": here.upstash_url,
        "UPSTASH_REDIS_REST_TOKEN": here.upstash_token,
        "SUPABASE_URL": here.supabase_url,
        "SUPABASE_KEY": here.supabase_anon_key,
        "SUPABASE_SERVICE_ROLE_KEY": here.supabase_service_key,
        "DATABASE_URL": here.postgres_url,
    }
    added = {"upstash": here.cache_latency, "supabase": here.origin_latency}
    emulated = {service: str(profile or "no latency added") for service, profile in added.items()}
    if as_json:
        document = {"schema": "dousell-cache/local", "version": 1, "variables": variables}
        print(json.dumps({**document, "emulated": emulated, "missing": here.missing}), flush=True)
    else:
        _print(variables, emulated, here.missing)


def _print(variables: dict[str, str | None], emulated: dict[str, str], missing: Mapping[str, str]) -> None:
    print("# The local cloud. Paste these where your code runs; Ctrl-C ends it.")
    for name, value in variables.items():
        if value:
            print(f"export {name}={shlex.quote(value)}")
    print("# REDIS_URL decides which cache is found; with VERCEL=1 it is Upstash instead.")
    for service, latency in emulated.items():
        print(f"# {service}: emulated, {latency}")
    for service, reason in missing.items():
        print(f"# {service}: {reason}")
    sys.stdout.flush()
