"""The notebooks in JupyterLab, in a real browser: they run from top to bottom, and a live view can be stopped.

Two of them in every run of the tests; all of them, which takes minutes, with ``make browser``.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dousell_cache.reporting import catalog

from .lab import Lab, jupyterlab

ALL = os.environ.get("DOUSELL_CACHE_BROWSER") == "all"
NOTEBOOKS = catalog.names() if ALL else ["00_check_connection", "06_monitor_cache"]
PICTURES = os.environ.get("DOUSELL_CACHE_PICTURES")
ENDLESS = "06_monitor_cache_endless"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab on copies of the notebooks, and of the monitor's one that would watch for an hour."""
    scratch = tmp_path_factory.mktemp("lab")
    folder = scratch / "notebooks"
    shutil.copytree(catalog.folder(), folder, ignore=shutil.ignore_patterns(".*"))
    endless = (
        (folder / "06_monitor_cache.ipynb")
        .read_text("utf-8")
        .replace("seconds: float = 0.0", "seconds: float = 3600.0")
    )
    (folder / f"{ENDLESS}.ipynb").write_text(endless, "utf-8")
    with jupyterlab(folder, scratch) as found:
        yield found


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_from_top_to_bottom(lab: Lab, name: str) -> None:
    """Opened as it is and run, every cell was run in its turn, and none raised."""
    picture = {"picture": str(Path(PICTURES, f"{name}.png"))} if PICTURES else {}
    ran = lab.run(name, **picture)
    assert ran.errors == []
    assert ran.cells == list(range(1, len(ran.cells) + 1))


def test_a_live_view_can_be_stopped(lab: Lab, record_property: Callable[[str, object], None]) -> None:
    """Interrupted while it would watch for an hour, its cell ends without an error, and those below it run."""
    ran = lab.run(ENDLESS, interrupt=True)
    assert ran.errors == []
    assert ran.cells == list(range(1, len(ran.cells) + 1))
    assert "until it was stopped" in ran.shown
    record_property("ended_ms_after_it_was_interrupted", ran.stopped_ms)  # a figure, and no claim of this test
