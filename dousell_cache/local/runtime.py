"""The runtime folder: who may own it, what lies in it, and the locks that say who is using it.

``BASE/<configuration>/lease``       every user holds it shared; the supervisor takes it when nobody is left
``BASE/<configuration>/supervisor``  taken by who launches the supervisor, held by the supervisor as long as it lives
``BASE/<configuration>/state.json``  what users need to know; there only while the servers are ready
``BASE/<configuration>/run-…``       one start's sockets, logs and data

The locks are ``flock``s: the system frees them when their holder dies, however it dies.
"""

import fcntl
import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dousell_cache.errors import CacheUnavailable, ConfigurationError

from .users import is_root, may_enter

__all__ = [
    "BASE_VARIABLE",
    "base_folder",
    "clear",
    "folder_for",
    "forget",
    "hold",
    "new_run",
    "open_lock",
    "read_state",
    "sweep",
    "try_lock",
    "write_state",
]

BASE_VARIABLE = "DOUSELL_CACHE_RUNTIME_DIR"
_SOCKET_LIMIT = 103  # bytes of a unix socket's path on macOS; 107 on Linux. Names are short to fit a Mac's long TMPDIR
_LONGEST_INSIDE = len("/run-01234567/valkey.sock")
_POLL_SECONDS = 0.01


def base_folder() -> Path:
    """Return the folder of this user's servers, made if need be.

    Raises:
        ConfigurationError: it belongs to somebody else, or is no folder.
    """
    own = os.environ.get(BASE_VARIABLE)
    base = Path(own).resolve() if own else _default_parent() / f"dousell-cache-{os.geteuid()}"
    _make(base)
    return base


def folder_for(configuration: Mapping[str, Any]) -> Path:
    """Return the folder shared by everybody who wants exactly this configuration.

    Raises:
        ConfigurationError: its path is too long for a unix socket.
    """
    digest = hashlib.sha256(json.dumps(configuration, sort_keys=True).encode()).hexdigest()[:8]
    folder = base_folder() / digest
    if len(os.fsencode(folder)) + _LONGEST_INSIDE > _SOCKET_LIMIT:
        raise ConfigurationError(
            f"{folder} is too long a path for a unix socket: set {BASE_VARIABLE} to a folder with a shorter path"
        )
    _make(folder)
    return folder


def new_run(folder: Path) -> Path:
    """Make the folder of one start, so that a late death of an earlier server cannot touch it."""
    run = Path(tempfile.mkdtemp(prefix="run-", dir=folder))
    run.chmod(_mode())
    return run


def open_lock(path: Path) -> int:
    """Open a lock file, as Python does: not for the programs that this process runs (a plain fork shares it)."""
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def try_lock(lock: int, *, shared: bool = False) -> bool:
    """Take an open lock if it is free, and tell whether it was."""
    try:
        fcntl.flock(lock, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def hold(path: Path, deadline: float) -> Iterator[None]:
    """Hold a lock exclusively for a block.

    Args:
        path: the lock file.
        deadline: when to give up, on ``time.monotonic``'s clock.

    Raises:
        CacheUnavailable: somebody kept it too long.
    """
    lock = open_lock(path)
    try:
        while not try_lock(lock):
            if time.monotonic() > deadline:
                raise CacheUnavailable(f"another process has held {path} for too long")
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(lock)


def read_state(folder: Path) -> dict[str, Any] | None:
    """Return what the supervisor wrote, or None if it wrote nothing yet."""
    try:
        state: dict[str, Any] = json.loads((folder / "state.json").read_bytes())
    except FileNotFoundError:
        return None
    return state


def write_state(folder: Path, state: Mapping[str, Any]) -> None:
    """Publish the state, whole or not at all; it holds passwords, so only this user may read it."""
    draft = folder / "state.draft"
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(state))
    draft.replace(folder / "state.json")


def forget(folder: Path) -> None:
    """Take the state back: from now on nobody joins these servers."""
    (folder / "state.json").unlink(missing_ok=True)


def clear(folder: Path) -> None:
    """Remove what former starts left; only for who holds the supervisor lock."""
    for run in folder.glob("run-*"):
        shutil.rmtree(run, ignore_errors=True)  # a killed server's child may still be writing its last file


def sweep(base: Path) -> None:
    """Remove what supervisors that were killed left behind; never touches a configuration in use."""
    for folder in base.iterdir():
        if (folder / "supervisor").is_file():
            _sweep_one(folder)


def _sweep_one(folder: Path) -> None:
    lock = open_lock(folder / "supervisor")
    try:
        if try_lock(lock):
            forget(folder)
            clear(folder)
    finally:
        os.close(lock)


def _default_parent() -> Path:
    # Root's PostgreSQL runs as another user, who must get there too.
    parent = Path(tempfile.gettempdir())
    return parent if not is_root() or may_enter(parent) else Path("/tmp")  # noqa: S108 - a private folder inside it


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=_mode(), parents=True)  # at once: under umask 002 others would see it open for a moment
    except FileExistsError:
        _check(folder)
    else:
        folder.chmod(_mode())  # whatever else the umask took away


def _check(folder: Path) -> None:
    facts = folder.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o022:
        raise ConfigurationError(
            f"{folder} must be a folder that you own and nobody else may write to: "
            f"set {BASE_VARIABLE} to one, or remove it"
        )


def _mode() -> int:
    # Entering is not reading: files inside are private, and root's PostgreSQL must pass through.
    return 0o711 if is_root() else 0o700
