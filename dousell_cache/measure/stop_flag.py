"""How the parts of a run are told to stop, on whatever machine: by a file there, which each looks for while it works.

No executor ends what has begun, and few can reach the worker that does it. What all processes of a machine share is its
folder for temporary files.
"""

import asyncio
import secrets
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import MeasurementFailed

_LOOK_SECONDS = 0.2  # a look takes some microseconds


def _new_name() -> str:
    return f"dousell-cache-stop-{secrets.token_hex(8)}"


@dataclass(frozen=True)
class StopFlag:
    """What is up on a machine once a run's parts there are to stop.

    Args:
        name: the file's; default one of its own.
    """

    name: str = field(default_factory=_new_name)

    @property
    def _path(self) -> Path:
        return Path(tempfile.gettempdir(), self.name)

    def up(self) -> None:
        """Put it up on the machine where this is called; on a full disk it stays down, and parts run to their end."""
        with suppress(OSError):
            self._path.touch()

    def down(self) -> None:
        """Take it down there."""
        self._path.unlink(missing_ok=True)

    async def watch(self) -> None:
        """Look for it, here, until it is up.

        Raises:
            MeasurementFailed: it is.
        """
        while not self._path.exists():  # noqa: ASYNC110 - another process puts it up
            await asyncio.sleep(_LOOK_SECONDS)
        message = "the run was stopped"
        raise MeasurementFailed(message)
