"""The process that starts a configuration's servers and stops them when nobody uses them any more.

Run as ``python -m dousell_cache.local.supervisor FOLDER LOCK CONFIGURATION`` by ``shared``, never by hand. LOCK is the
open, already taken supervisor lock; it is let go by exiting. One thread only: the servers die with the thread that
spawned them.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from dousell_cache.errors import CacheError

from . import runtime, services
from .process import Child, PortTaken, stop_all

_POLL_SECONDS = 0.1
_ATTEMPTS = 3  # ports are chosen before they are bound
_STOPPERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def supervise(folder: Path, configuration: Mapping[str, Any]) -> None:
    """Start the servers, watch them, and stop them all when nobody is left or one of them has ended.

    Raises:
        CacheError: the servers could not be started; those that did are stopped.
    """
    for signum in _STOPPERS:
        signal.signal(signum, _leave)
    children: list[Child] = []
    try:
        runtime.write_state(folder, _start(folder, configuration, children))
        _watch(folder, children)
    finally:
        for signum in _STOPPERS:
            signal.signal(signum, signal.SIG_IGN)
        runtime.forget(folder)
        stop_all(children)
        runtime.clear(folder)
        runtime.sweep(folder.parent)


def _start(folder: Path, configuration: Mapping[str, Any], children: list[Child]) -> dict[str, Any]:
    for _ in range(_ATTEMPTS - 1):
        try:
            return services.start(runtime.new_run(folder), configuration, children)
        except PortTaken:
            stop_all(children)
            children.clear()
    return services.start(runtime.new_run(folder), configuration, children)


def _watch(folder: Path, children: list[Child]) -> None:
    lease = runtime.open_lock(folder / "lease")
    # Once taken, the lease is kept until this process ends: who comes now waits, then starts anew.
    while all(child.alive() for child in children) and not runtime.try_lock(lease):
        time.sleep(_POLL_SECONDS)


def _leave(signum: int, _frame: FrameType | None) -> None:
    sys.exit(f"stopped by {signal.Signals(signum).name}")


def main() -> None:
    """Detach from whoever launched this process and supervise."""
    folder, lock, configuration = sys.argv[1:]
    os.set_inheritable(int(lock), False)
    if os.fork():
        os._exit(0)  # the launcher need not reap us
    os.umask(0o077)
    try:
        supervise(Path(folder), json.loads(configuration))
    except CacheError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
