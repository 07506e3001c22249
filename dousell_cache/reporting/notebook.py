"""What every notebook begins with: the variables of ``.env``, and errors that are said in a sentence."""

from types import TracebackType
from typing import Any

from ..env_file import load_env_file
from ..errors import CacheUnavailable, ConfigurationError, MeasurementFailed
from .progress import in_a_kernel

_SAID = (ConfigurationError, CacheUnavailable, MeasurementFailed)


def start_notebook() -> None:
    """Read the nearest ``.env``, and have this package's errors shown as the sentences that they are.

    An environment that is missing or cannot be reached is understood without the way through the code that led there:
    its cell says why it is skipped, and no cell below it runs. Any other exception keeps its traceback. A report never
    comes so far, because it asks each environment first.
    """
    load_env_file()
    if in_a_kernel():
        from IPython import get_ipython

        get_ipython().set_custom_exc(_SAID, _say)


def _say(
    shell: Any, kind: type[Exception], error: Exception, trace: TracebackType, tb_offset: int | None = None
) -> None:
    """Show an error by its message; IPython asks an exception that has a rendering of its own for it."""
    error._render_traceback_ = lambda: [sentence(error)]  # type: ignore[attr-defined]
    shell.showtraceback((kind, error, trace), tb_offset=tb_offset)


def sentence(error: Exception) -> str:
    """Return what a notebook says instead of a traceback."""
    return f"Skipped: {error}.\nPut that right and run all cells again: those below have nothing to show without it."
