"""What a run is asked for, and what each of its worker processes has to do. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..languages import Language
from .catalog import Notebook
from .parameters import Value
from .record import TOGETHER
from .spec import Spec, Task

SECONDS = {"quick": 180.0, "full": 3600.0}
"""How long one environment may take by default, by profile: several times what it needs."""

_CELL_SHARE = 0.5  # a cell that hangs must leave time for the notebooks after it


@dataclass(frozen=True)
class Part:
    """What one worker has to do.

    Args:
        name: the environment's, or ``together``.
        notebooks: in order.
        spec: what is written down for the worker.
    """

    name: str
    notebooks: Sequence[Notebook]
    spec: Spec


@dataclass(frozen=True)
class Request:
    """What a run is asked for, everything checked.

    Args:
        environments: their names, in order.
        notebooks: in order.
        parameters: of each notebook, by its name.
        profile: ``quick`` or ``full``.
        seconds: how long one environment may take; one cell, half of it.
        command: what repeats the run.
        parallel: whether the environments are measured at once instead of one after the other.
        language: of the pages.
    """

    environments: Sequence[str]
    notebooks: Sequence[Notebook]
    parameters: dict[str, dict[str, Value]]
    profile: str
    seconds: float
    command: str = ""
    parallel: bool = False
    language: Language = "en"

    @property
    def parts(self) -> list[Part]:
        """What each worker has to do: one for each environment, and a last one for the notebooks that span them."""
        single = [notebook for notebook in self.notebooks if not notebook.spanning]
        spanning = [notebook for notebook in self.notebooks if notebook.spanning]
        parts = [self._part(name, single, [name]) for name in self.environments] if single else []
        return [*parts, *([self._part(TOGETHER, spanning, self.environments)] if spanning else [])]

    def _part(self, name: str, notebooks: Sequence[Notebook], environments: Sequence[str]) -> Part:
        own = {"environment": environments[0], "environments": ",".join(environments)}
        tasks = [self._task(notebook, own) for notebook in notebooks]
        seconds = self.seconds * len(environments)
        return Part(name, notebooks, Spec("" if name == TOGETHER else name, tasks, seconds, seconds * _CELL_SHARE))

    def _task(self, notebook: Notebook, own: dict[str, str]) -> Task:
        parameters: dict[str, Value] = {
            name: own.get(name, value) for name, value in self.parameters[notebook.name].items()
        }
        injected = 1 if parameters else 0
        return Task(notebook.name, notebook.cells + injected, parameters)
