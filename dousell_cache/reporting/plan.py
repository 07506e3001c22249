"""What a run would do, told beforehand: its parameters, where each cache is and how it was found. Starts nothing."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from ..dousell.site import cache_environment
from ..dousell.stand_in import REST_VARIABLES
from ..environments import LOCAL_URL, public_address
from ..errors import ConfigurationError
from .parameters import Value
from .redact import redactor
from .request import Request

SCHEMA, VERSION = "dousell-cache/report-plan", 1

_EMULATOR = "an Upstash emulator on this machine"
_LOCAL_CLOUD = "a Supabase on this machine"


class Found(msgspec.Struct, frozen=True):
    """Where something is and how it was found.

    Args:
        address: without credentials.
        by: the variable that says so, or why none does.
        reason: why it cannot be used; None when nothing speaks against it.
    """

    address: str
    by: str
    reason: str | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run would do, the whole of ``report --dry-run --json``.

    Args:
        schema: what this is.
        version: of its shape.
        out: the folder of all runs.
        profile: ``quick`` or ``full``.
        parallel: whether the environments are measured at once.
        seconds: how long one environment may take.
        time_limit: how long the whole run may take; None: as long as its environments may.
        lock_name: the lock in the cache; None: only that of the folder.
        parts: the notebooks of each environment, and those that span them under ``together``, in order.
        environments: where the cache of each is.
        origin: where the data is.
        parameters: what each notebook is given; ``environment`` is each environment's own.
        command: what does it.
    """

    schema: str = SCHEMA
    version: int = VERSION
    out: str
    profile: str
    parallel: bool
    seconds: float
    time_limit: float | None
    lock_name: str | None
    parts: dict[str, list[str]]
    environments: dict[str, Found]
    origin: Found
    parameters: dict[str, dict[str, Value]]
    command: str

    @property
    def usable(self) -> bool:
        """Whether nothing speaks against any environment."""
        return not any(found.reason for found in (*self.environments.values(), self.origin))


def plan(
    request: Request, out: Path, environ: Mapping[str, str], *, time_limit: float | None, lock_name: str | None
) -> Plan:
    """Say what a run would do, from its request and the environment variables alone.

    Args:
        request: what is asked for.
        out: the folder of all runs.
        environ: the environment variables.
        time_limit: seconds for the whole run.
        lock_name: of the lock in the cache.
    """
    return Plan(
        out=str(out),
        profile=request.profile,
        parallel=request.parallel,
        seconds=request.seconds,
        time_limit=time_limit,
        lock_name=lock_name,
        parts={part.name: [notebook.name for notebook in part.notebooks] for part in request.parts},
        environments={name: cache_of(name, environ) for name in request.environments},
        origin=origin_of(environ),
        parameters=request.parameters,
        command=request.command,
    )


def cache_of(name: str, environ: Mapping[str, str]) -> Found:
    """Say where the cache of an environment is; nothing is asked and nothing started."""
    if name == "vercel" and not any(environ.get(variable, "").strip() for variable in REST_VARIABLES):
        return Found(_EMULATOR, f"{REST_VARIABLES[0]} is not set")
    if name == "local":
        return Found(LOCAL_URL, "the default; a Valkey of its own if nothing listens there")
    try:
        found = cache_environment(name, environ)
    except ConfigurationError as error:
        return Found("", "", str(error))
    return Found(found.address, found.source)


def origin_of(environ: Mapping[str, str]) -> Found:
    """Say where the origin is, likewise."""
    url, key = environ.get("SUPABASE_URL", "").strip(), environ.get("SUPABASE_KEY", "").strip()
    if bool(url) != bool(key):
        absent, present = ("SUPABASE_KEY", "SUPABASE_URL") if url else ("SUPABASE_URL", "SUPABASE_KEY")
        return Found("", "", f"{absent} is not set although {present} is")
    return Found(public_address(url), "SUPABASE_URL") if url else Found(_LOCAL_CLOUD, "SUPABASE_URL is not set")


def as_json(told: Plan) -> str:
    """Return a plan as one JSON document, without credentials and private paths."""
    return redactor()(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())


def as_text(told: Plan) -> str:
    """Return a plan as lines for people, likewise."""
    limit = "" if told.time_limit is None else f", at most {told.time_limit:g} s in all"
    order = "at once" if told.parallel else "one after the other"
    lock = "" if told.lock_name is None else f', under the lock "{told.lock_name}" in the cache'
    lines = [f"Nothing was run. It would take at most {told.seconds:g} s for each environment{limit}, {order}{lock}:"]
    lines += [line for name, notebooks in told.parts.items() for line in _part(told, name, notebooks)]
    lines += [f"origin: {_where(told.origin)}", f"report: {Path(told.out, '<run id>', 'index.html')}"]
    return redactor()("\n".join(lines))


def _part(told: Plan, name: str, notebooks: list[str]) -> list[str]:
    found = told.environments.get(name)
    lines = [f"{name}: {_where(found)}" if found else f"{name}: all of them"]
    for notebook in notebooks:
        given = " ".join(f"{parameter}={value}" for parameter, value in _own(told, notebook).items())
        lines.append(f"  {notebook} {given}".rstrip())
    return lines


def _own(told: Plan, notebook: str) -> dict[str, Value]:
    given = told.parameters[notebook].items()
    return {name: value for name, value in given if name not in {"environment", "environments"}}


def _where(found: Found) -> str:
    return f"cannot be used: {found.reason}" if found.reason else f"{found.address} ({found.by})"
