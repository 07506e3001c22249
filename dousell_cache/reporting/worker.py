"""The process that executes one environment's notebooks: ``python -m dousell_cache.reporting.worker FOLDER``.

It decides nothing and renders nothing; what it found is in its folder. It ends, and its kernel with it, on SIGTERM and
when whoever started it is gone.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

from .startup import skip_slow_imports


def _stop(signum: int, _frame: FrameType | None) -> NoReturn:
    for later in (signal.SIGTERM, signal.SIGINT):
        signal.signal(later, signal.SIG_IGN)  # cleaning up takes seconds and must not be cut short
    from .execute import Stopped

    raise Stopped(128 + signum)


def _end_with_starter() -> None:
    """Wait until the other end of standard input is gone, which it is when the starter ends, however it ends."""
    os.read(sys.stdin.fileno(), 1)  # unbuffered: a buffer's lock, held here at exit, would abort the interpreter
    os.kill(os.getpid(), signal.SIGTERM)


def watched(folder: Path, preflight: Callable[[str], str | None]) -> None:
    """Do the work of a folder, ending early on SIGTERM, SIGINT, or with the process at the other end of stdin.

    Args:
        folder: see :mod:`.spec`.
        preflight: takes the environment's name, returns why it cannot be reached, or None.
    """
    skip_slow_imports()
    from .execute import work

    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, _stop)
    threading.Thread(target=_end_with_starter, daemon=True).start()
    work(folder, preflight)


def main() -> None:
    """Do the work of the folder named on the command line."""
    skip_slow_imports()
    from ..dousell.site import preflight

    watched(Path(sys.argv[1]), preflight)


if __name__ == "__main__":
    main()
