"""How far a load is, where somebody looks: a line in a notebook that is rewritten, a bar on a terminal, else nothing.

What stays in a notebook is its last frame: a sentence with the final counts, so that an executed notebook that nobody
watched, such as papermill's, has no half-filled bar in it.
"""

import sys
from dataclasses import dataclass
from html import escape
from typing import Any

from ..measure.progress import Progress, Watcher


@dataclass(frozen=True)
class Frame:
    """A snapshot as it is shown.

    Args:
        progress: the snapshot.
        what: what is counted, in the plural.
    """

    progress: Progress
    what: str

    @property
    def ended(self) -> bool:
        """Whether nothing more is to come."""
        return self.progress.done >= self.progress.scheduled

    def __str__(self) -> str:
        if self.ended:
            outcomes = sorted(self.progress.outcomes.items(), key=lambda item: (-item[1], item[0]))
            counted = ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes)
            return f"{self.progress.done:,} {self.what}: {counted}" if counted else f"no {self.what}"
        parts = [f"{self.progress.done:,} of {self.progress.scheduled:,} {self.what}"]
        if self.progress.hit_rate is not None:
            parts.append(f"{self.progress.hit_rate:.1%} hits")
        if self.progress.p95_ms is not None:
            parts.append(f"lately P95 {self.progress.p95_ms:.1f} ms")
        return " · ".join(parts)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        text = escape(str(self))
        if self.ended:
            return f"<p>{text}</p>"
        value = f'value="{self.progress.done}" max="{self.progress.scheduled}"'
        return f'<p><progress {value} aria-label="{escape(self.what)}"></progress> {text}</p>'


def progress_bar(what: str = "requests") -> Watcher:
    """Return what shows a load's progress here: give it to ``run_open_loop`` or ``measure_cache_aside``.

    Args:
        what: what is counted, in the plural.
    """
    if in_a_kernel():
        return _Output(what)
    return _Bar(what) if sys.stderr.isatty() else _nowhere


def in_a_kernel() -> bool:
    """Tell whether this runs in a notebook's kernel; IPython on a terminal has none."""
    interactive = sys.modules.get("IPython")
    return getattr(interactive and interactive.get_ipython(), "kernel", None) is not None


def _nowhere(_progress: Progress) -> None:
    """Show nothing: there is nobody to see it."""


class _Output:
    """One output of a cell, rewritten with every snapshot."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._handle: Any = None

    def __call__(self, progress: Progress) -> None:
        from IPython.display import display

        frame = Frame(progress, self._what)
        if self._handle is None:
            self._handle = display(frame, display_id=True)  # type: ignore[no-untyped-call] # IPython's own
        else:
            self._handle.update(frame)


class _Bar:
    """A bar on the terminal, gone when the load has ended."""

    def __init__(self, what: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        self._what = what
        columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("", total=None)

    def __call__(self, progress: Progress) -> None:
        frame = Frame(progress, self._what)
        self._bar.start()
        self._bar.update(self._task, completed=progress.done, total=progress.scheduled, description=str(frame))
        if frame.ended:
            self._bar.stop()
