"""The runtime folder: private, short, and locked by whoever uses it."""

import os
import stat
import time
from pathlib import Path

import pytest

from dousell_cache.errors import CacheUnavailable, ConfigurationError
from dousell_cache.local import runtime, users


def test_equal_configurations_share_a_folder_and_others_do_not(private_runtime: Path) -> None:
    """The folder's name depends on every value and on no order."""
    folder = runtime.folder_for({"valkey": "a", "version": "1"})
    assert folder.parent == private_runtime.resolve()
    assert runtime.folder_for({"version": "1", "valkey": "a"}) == folder
    assert runtime.folder_for({"version": "2", "valkey": "a"}) != folder


def test_the_folder_is_private_whatever_the_umask(private_runtime: Path) -> None:
    """Nobody else may list or write it; root's may be passed through, for PostgreSQL's user."""
    former = os.umask(0)
    try:
        folder = runtime.folder_for({})
    finally:
        os.umask(former)
    assert stat.S_IMODE(folder.stat().st_mode) == (0o711 if users.is_root() else 0o700)
    assert private_runtime.is_dir()


def test_without_the_variable_each_user_has_a_folder_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """It lies in the system's folder for temporary files and bears the user's number."""
    monkeypatch.delenv(runtime.BASE_VARIABLE)
    assert runtime.base_folder().name == f"dousell-cache-{os.geteuid()}"


def test_root_leaves_a_temporary_folder_that_nobody_can_enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A private TMPDIR, as some login systems make, would keep PostgreSQL's user out."""
    tmp_path.chmod(0o700)
    monkeypatch.delenv(runtime.BASE_VARIABLE)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    assert (runtime.base_folder().parent == tmp_path) is not users.is_root()


def test_a_folder_that_others_may_write_is_refused(private_runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever can write there could put a server of theirs in our place."""
    shared = private_runtime / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    monkeypatch.setenv(runtime.BASE_VARIABLE, str(shared))
    with pytest.raises(ConfigurationError, match=f"{shared} must be a folder that you own"):
        runtime.base_folder()


def test_a_folder_of_somebody_else_is_refused(private_runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger who made the well-known name first gets nothing from us."""
    theirs = private_runtime / "theirs"
    theirs.mkdir(mode=0o700)
    monkeypatch.setenv(runtime.BASE_VARIABLE, str(theirs))
    monkeypatch.setattr(os, "geteuid", lambda: theirs.stat().st_uid + 1)
    with pytest.raises(ConfigurationError, match="must be a folder that you own"):
        runtime.base_folder()


def test_a_file_in_the_folders_place_is_refused(private_runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names it."""
    file = private_runtime / "file"
    file.touch()
    monkeypatch.setenv(runtime.BASE_VARIABLE, str(file))
    with pytest.raises(ConfigurationError, match=f"{file} must be a folder"):
        runtime.base_folder()
    file.unlink()


def test_a_path_too_long_for_a_socket_is_refused(private_runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said before any server fails on it."""
    monkeypatch.setenv(runtime.BASE_VARIABLE, str(private_runtime / ("long" * 25)))
    with pytest.raises(ConfigurationError, match="too long a path for a unix socket: set DOUSELL_CACHE_RUNTIME_DIR"):
        runtime.folder_for({})


def test_the_state_is_whole_and_private(tmp_path: Path) -> None:
    """It holds passwords: only its owner reads it, and nobody reads half of it."""
    assert runtime.read_state(tmp_path) is None
    runtime.write_state(tmp_path, {"token": "secret"})
    assert runtime.read_state(tmp_path) == {"token": "secret"}
    assert [(path.name, stat.S_IMODE(path.stat().st_mode)) for path in tmp_path.iterdir()] == [("state.json", 0o600)]
    runtime.forget(tmp_path)
    runtime.forget(tmp_path)
    assert runtime.read_state(tmp_path) is None


def test_a_lock_is_shared_or_exclusive(tmp_path: Path) -> None:
    """Two may share it; nobody takes it from them; the last one's close frees it."""
    first, second, third = (runtime.open_lock(tmp_path / "lock") for _ in range(3))
    assert runtime.try_lock(first, shared=True)
    assert runtime.try_lock(second, shared=True)
    os.close(first)
    assert not runtime.try_lock(third)
    os.close(second)
    assert runtime.try_lock(third)
    os.close(third)


def test_a_lock_kept_too_long_is_reported(tmp_path: Path) -> None:
    """The deadline of a wait is kept, and the block frees what it took."""
    with (
        runtime.hold(tmp_path / "lock", time.monotonic()),
        pytest.raises(CacheUnavailable, match=r"another process has held .*/lock for too long"),
        runtime.hold(tmp_path / "lock", time.monotonic()),
    ):
        pass
    with runtime.hold(tmp_path / "lock", time.monotonic()):
        pass


def test_sweeping_removes_what_nobody_uses(private_runtime: Path) -> None:
    """Leftovers of a killed supervisor go; a configuration with a living one stays."""
    dead, living = (runtime.folder_for({"valkey": name}) for name in ("dead", "living"))
    for folder in (dead, living):
        runtime.write_state(folder, {})
        (runtime.new_run(folder) / "data").touch()
    os.close(runtime.open_lock(dead / "supervisor"))
    lock = runtime.open_lock(living / "supervisor")
    assert runtime.try_lock(lock)
    runtime.sweep(private_runtime)
    os.close(lock)
    assert not list(dead.glob("run-*"))
    assert runtime.read_state(dead) is None
    assert list(living.glob("run-*/data"))
    assert runtime.read_state(living) == {}
