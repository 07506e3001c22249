"""A run's ``status.json``: true at every moment, whatever becomes of the run."""

import os
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ..measure.result import utc_now
from .folder import RunFolder
from .record import RunStatus, State, encode
from .spec import write_atomically


class Journal:
    """The run's ``status.json``, written at the start, at each change and at the end.

    Args:
        folder: the run's.
        environments: what it will go through.
    """

    def __init__(self, folder: RunFolder, environments: Sequence[str]) -> None:
        self._folder = folder
        self._turn = threading.Lock()  # environments at once note what becomes of them at once
        pending = dict.fromkeys(environments, "pending")
        self.status = RunStatus(id=folder.id, state="running", environments=pending, pid=os.getpid(), started=utc_now())

    def write(self) -> None:
        """Write the status as it is."""
        write_atomically(self._path, encode(self.status))

    def note(self, environment: str, status: str) -> None:
        """Write down an environment's new status."""
        with self._turn:
            environments = {**self.status.environments, environment: status}
            self.status = msgspec.structs.replace(self.status, environments=environments)
            self.write()

    def end(self, state: State, exit_code: int, reason: str | None = None) -> None:
        """Write down how the run ended; on a full disk, into the block that the file has already."""
        cut_short = {
            name: "interrupted" if status == "running" else status for name, status in self.status.environments.items()
        }
        self.status = msgspec.structs.replace(
            self.status, state=state, exit_code=exit_code, reason=reason, finished=utc_now(), environments=cut_short
        )
        try:
            self.write()
        except OSError:
            with self._path.open("r+b") as file:
                file.write(encode(self.status))
                file.truncate()

    @property
    def _path(self) -> Path:
        return self._folder.path / "status.json"
