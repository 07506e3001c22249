"""A load's progress: a line that is rewritten in a notebook, a bar on a terminal, nothing where nobody looks."""

import os
import pty
import subprocess
import sys

import nbclient
import nbformat
import pytest

from dousell_cache.measure import Progress
from dousell_cache.reporting.progress import Frame, progress_bar

HALF = Progress(1_500, 3_000, 0.9, 12.34, {"hit": 1_350, "miss": 150})
WHOLE = Progress(3_000, 3_000, 0.95, 10.0, {"miss": 150, "hit": 2_850})
LOAD = """
import asyncio
from dousell_cache.measure import Schedule, run_open_loop
from dousell_cache.reporting.progress import progress_bar

async def operation(index):
    return "hit" if index else "miss"

load = run_open_loop(Schedule.constant(100, requests=50), operation, progress=progress_bar("reads"))
"""


def test_a_frame_says_how_far_it_is() -> None:
    """On the way it has the counts, the hit rate and the P95, and in a notebook a bar as full as it is far."""
    frame = Frame(HALF, "reads")
    assert repr(frame) == "1,500 of 3,000 reads · 90.0% hits · lately P95 12.3 ms"
    html = frame._repr_html_()
    assert '<progress value="1500" max="3000" aria-label="reads"></progress>' in html
    assert str(frame) in html


def test_before_the_first_answer_only_the_count_is_told() -> None:
    """What is not known yet is left out."""
    assert str(Frame(Progress(0, 3_000, None, None, {}), "reads")) == "0 of 3,000 reads"


def test_the_last_frame_is_a_summary() -> None:
    """At the end there is no bar, but every outcome with its number, the most frequent first."""
    frame = Frame(WHOLE, "reads")
    assert frame._repr_html_() == "<p>3,000 reads: 2,850 hit, 150 miss</p>"
    assert str(Frame(Progress(0, 0, None, None, {}), "reads")) == "no reads"


def test_what_is_counted_is_text() -> None:
    """Words with meaning in HTML are shown as they are."""
    assert "<b>" not in Frame(HALF, "<b>reads</b>")._repr_html_()


def test_a_notebook_keeps_the_last_frame() -> None:
    """Executed without anybody watching, a cell has one output: the summary."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(LOAD + "_ = await load")])  # type: ignore[no-untyped-call] # theirs
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    (output,) = notebook.cells[0].outputs
    assert output.data == {"text/plain": "50 reads: 49 hit, 1 miss", "text/html": "<p>50 reads: 49 hit, 1 miss</p>"}


def test_a_terminal_has_a_bar() -> None:
    """On a terminal the line is drawn to stderr, and stdout stays free."""
    master, slave = pty.openpty()
    command = [sys.executable, "-c", LOAD + "asyncio.run(load)"]
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=slave, env=environ) as process:
        os.close(slave)
        drawn = b""
        while part := read(master):
            drawn += part
        assert process.stdout is not None
        assert process.stdout.read() == b""
    os.close(master)
    assert process.returncode == 0
    assert b"50 reads: 49 hit, 1 miss" in drawn


def read(terminal: int) -> bytes:
    """Return what was drawn, or nothing when nobody draws any more."""
    try:
        return os.read(terminal, 65_536)
    except OSError:  # how Linux says that the other end is closed
        return b""


def test_nobody_is_shown_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Without notebook and terminal not a character is written."""
    bar = progress_bar("reads")
    bar(HALF)
    bar(WHOLE)
    assert capsys.readouterr() == ("", "")
