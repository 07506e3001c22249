"""A run's ``status.json``: true at every moment, whatever becomes of the run."""

import os
from collections.abc import Sequence

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
        pending = dict.fromkeys(environments, "pending")
        self.status = RunStatus(id=folder.id, state="running", environments=pending, pid=os.getpid(), started=utc_now())

    def write(self) -> None:
        """Write the status as it is."""
        write_atomically(self._folder.path / "status.json", encode(self.status))

    def note(self, environment: str, status: str) -> None:
        """Write down an environment's new status."""
        environments = {**self.status.environments, environment: status}
        self.status = msgspec.structs.replace(self.status, environments=environments)
        self.write()

    def end(self, state: State, exit_code: int, reason: str | None = None) -> None:
        """Write down how the run ended."""
        self.status = msgspec.structs.replace(
            self.status, state=state, exit_code=exit_code, reason=reason, finished=utc_now()
        )
        self.write()
