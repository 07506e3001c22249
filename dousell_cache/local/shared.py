"""Join the servers of a configuration, or start them: safe for any number of processes at once.

A user is a holder of the shared lease. The first one takes the supervisor lock, launches a supervisor and hands it the
lock; everybody else finds the lock taken and waits for the state. That lock is what tells that a supervisor lives: no
process id is trusted.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dousell_cache.errors import CacheUnavailable

from . import runtime, valkey
from .process import passed_on

__all__ = ["Lease", "attach"]

_SECONDS = 90.0  # the whole cloud takes 3; a laden machine, ten times that
_POLL_SECONDS = 0.005


class Lease:
    """One user's hold on shared servers; they stop when the last one is closed or its process ends.

    A child made by plain fork shares its parent's lease: the servers live until both let go.
    """

    def __init__(self, folder: Path, deadline: float) -> None:
        self._lock: int | None = runtime.open_lock(folder / "lease")
        while not runtime.try_lock(self._lock, shared=True):  # the servers are just stopping
            if time.monotonic() > deadline:
                self.close()
                raise CacheUnavailable(f"the former servers in {folder} do not finish stopping")
            time.sleep(_POLL_SECONDS)

    def close(self) -> None:
        """Let go; a second call does nothing."""
        # Closed, never unlocked: unlocking in a forked child would take the lease from its parent.
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def attach(configuration: Mapping[str, Any]) -> tuple[dict[str, Any], Lease]:
    """Return the facts of running servers and a lease on them, starting them if nobody did.

    Args:
        configuration: what to run, see ``services``; JSON values, no secrets. Equal ones share.

    Raises:
        ConfigurationError: the runtime folder cannot be used.
        CacheUnavailable: the servers could not be started; the message says why.
    """
    folder = runtime.folder_for(configuration)
    deadline = time.monotonic() + _SECONDS
    lease = Lease(folder, deadline)
    try:
        return _join_or_start(folder, configuration, deadline), lease
    except BaseException:  # an interrupt too: the servers must not wait for us
        lease.close()
        raise


def _join_or_start(folder: Path, configuration: Mapping[str, Any], deadline: float) -> dict[str, Any]:
    launched = False
    while time.monotonic() < deadline:
        lock = runtime.open_lock(folder / "supervisor")
        try:
            vacant = runtime.try_lock(lock)
            if vacant and launched:
                raise CacheUnavailable(_failure(folder))
            if vacant:
                runtime.forget(folder)
                _launch(folder, configuration, lock)
                launched = True
        finally:
            os.close(lock)
        state = runtime.read_state(folder)
        if state and valkey.listens(Path(state["socket"])):
            return state
        time.sleep(_POLL_SECONDS)
    raise CacheUnavailable(f"the servers in {folder} were not ready after {_SECONDS:g} s: {_last_words(folder)}")


def _launch(folder: Path, configuration: Mapping[str, Any], lock: int) -> None:
    # It forks, so that it is nobody's child.
    command = [sys.executable, "-m", "dousell_cache.local.supervisor", str(folder), str(lock)]
    path = folder / "supervisor.log"
    path.touch(mode=0o600)
    with path.open("wb") as log:
        subprocess.run(
            [*command, json.dumps(configuration)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,  # a json.py in the caller's must not be imported
            env=passed_on(),
            start_new_session=True,
            pass_fds=[lock],
            check=False,  # the vacant lock and the log tell it
        )


def _failure(folder: Path) -> str:
    return f"the servers could not be started: {_last_words(folder)}"


def _last_words(folder: Path) -> str:
    lines = (folder / "supervisor.log").read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "the supervisor said nothing"
