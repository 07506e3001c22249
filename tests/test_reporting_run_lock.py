"""One run at a time: whoever is second is told so, whoever dies lets go, whoever loses the lock ends."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dousell_cache.errors import ConfigurationError
from dousell_cache.reporting import run_lock
from dousell_cache.reporting.folder import ReportNotWritten, RunFolder
from dousell_cache.reporting.journal import Journal
from dousell_cache.reporting.measuring import Stage
from dousell_cache.reporting.run import run
from dousell_cache.reporting.run_lock import RunLocked, cache_lock, folder_lock
from dousell_cache.reporting.stopping import Halt, Stop, time_limit

from .processes import gone
from .reports import unfinished, write_notebook
from .test_reporting_run import ALL, Hanging, hanging, once, requested, status_of

if TYPE_CHECKING:
    from .conftest import FreeValkey, WaitUntil

__all__ = ["hanging"]  # a fixture

HOLDER = "import sys, pathlib\nfrom dousell_cache.reporting.run_lock import folder_lock\n"
HOLDER += "with folder_lock(pathlib.Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()"
# Each waits until all of them are there: only what runs at once comes to its end.
MEET = """
import pathlib, time
pathlib.Path(place, environment).touch()
while len(list(pathlib.Path(place).iterdir())) < 3:
    time.sleep(0.01)
"""


def test_a_killed_holder_lets_go(tmp_path: Path) -> None:
    """The folder's lock ends with the process that holds it, and the file that stays behind keeps nobody out."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(RunLocked, match=f"by process {holder.pid} on "), folder_lock(tmp_path):
            pass
        holder.kill()
    with folder_lock(tmp_path):
        assert f"process {os.getpid()} " in (tmp_path / ".lock").read_text()


def test_the_run_that_is_being_written_is_named(tmp_path: Path) -> None:
    """Beside the process, the sentence has the run's id."""
    unfinished(tmp_path, "20261122T193000Z-3f2a", "running", os.getpid())
    with (
        folder_lock(tmp_path),
        pytest.raises(RunLocked, match=r"^20261122T193000Z-3f2a is being written to "),
        folder_lock(tmp_path),
    ):
        pass


def test_a_folder_that_cannot_be_is_wrong_usage(tmp_path: Path) -> None:
    """A file in its place is named, as for a run without a lock."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"^--out .*file cannot be written: "), folder_lock(tmp_path / "file"):
        pass


def test_a_run_that_loses_its_lock_ends(
    tmp_path: Path, hanging: Hanging, free_valkey: "FreeValkey", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server that kept the lock dies: what is under way is ended, nothing else begun, and the reason is told."""
    monkeypatch.setattr(run_lock, "_TTL", 1.0)
    request = requested(hanging.path, environments=("local", "vercel"))
    with cache_lock("nightly", {"REDIS_URL": free_valkey.url}) as lost:
        assert lost() is None
        kill = once(lambda: hanging.begun, free_valkey.kill)
        finished = run(request, tmp_path / "reports", observe=kill, worker=ALL, watches=[lost])
    reason = 'the lock "nightly" was lost, so that another run may have begun'
    local, vercel = finished.results.environments.values()
    assert (local.status, local.reason) == ("interrupted", reason)
    assert (vercel.status, vercel.reason) == ("interrupted", f"{reason} before it")
    assert finished.results.exit_code == 3
    status = status_of(finished.folder)
    assert (status.state, status.exit_code, status.reason) == ("interrupted", 3, reason)


def test_a_run_ends_at_its_time_limit(tmp_path: Path, hanging: Hanging, wait_until: "WaitUntil") -> None:
    """What is under way is ended, the next environment not begun, both are a timeout, and no kernel is left."""
    over = time_limit(0)
    request = requested(hanging.path, environments=("local", "vercel"))
    finished = run(request, tmp_path / "reports", worker=ALL, watches=[lambda: over() if hanging.begun else None])
    local, vercel = finished.results.environments.values()
    assert (local.status, local.reason) == ("timeout", "the run's time limit of 0 s was over")
    assert local.notebooks["hangs"].status == "interrupted"
    assert (vercel.status, vercel.reason) == ("timeout", "the run's time limit of 0 s was over before it")
    assert finished.results.exit_code == 3
    assert status_of(finished.folder).reason == "the run's time limit of 0 s was over"
    wait_until(lambda: gone(hanging.worker) and gone(hanging.kernel))


def test_the_first_reason_counts() -> None:
    """A signal that comes after a lost lock changes neither the reason nor the exit code."""
    lost = Halt("interrupted", "lost")
    stop = Stop([time_limit(3600), lambda: lost, time_limit(0)])
    assert stop() == lost
    stop.ask(15, None)
    assert (stop(), stop.signum) == (lost, 0)


def test_environments_at_once_are_all_complete(tmp_path: Path) -> None:
    """Three that wait for each other come to their end, each in its place, and progress only grows."""
    (tmp_path / "place").mkdir()
    parameters = f'environment: str = "x"\nplace: str = "{tmp_path / "place"}"'
    notebook = write_notebook(tmp_path / "meets.ipynb", MEET, parameters=parameters)
    both = write_notebook(tmp_path / "both.ipynb", "1", parameters='environments: str = "local"')
    names = ("local", "vercel", "dedicated")
    stages: list[Stage] = []
    request = requested(notebook, both, environments=names, parallel=True)
    finished = run(request, tmp_path / "reports", observe=stages.append, worker=ALL)
    results = finished.results
    assert {name: record.status for name, record in results.parts.items()} == dict.fromkeys((*names, "together"), "ok")
    assert status_of(finished.folder).environments == dict.fromkeys((*names, "together"), "ok")
    assert {path.parent.name for path in finished.folder.rglob("meets.ipynb")} == set(names)
    assert results.run.parallel
    fractions = [stage.fraction for stage in stages]
    assert fractions == sorted(fractions)


def test_a_failure_beside_others_ends_them(tmp_path: Path, hanging: Hanging, wait_until: "WaitUntil") -> None:
    """The disk fails one of the environments at once: the others are not waited for, and their kernels are gone."""
    out = tmp_path / "reports"
    quick = write_notebook(tmp_path / "quick.ipynb", "1", parameters='pids: str = ""')
    request = requested(quick, hanging.path, environments=("local", "vercel"), parallel=True)
    remove = once(lambda: hanging.begun, lambda: shutil.rmtree(next(out.iterdir())))
    watches = [lambda: Halt("interrupted", "enough") if hanging.begun and not list(out.iterdir()) else None]
    with pytest.raises(ReportNotWritten, match="No such file or directory"):
        run(request, out, observe=remove, worker=ALL, watches=watches)
    wait_until(lambda: gone(hanging.worker) and gone(hanging.kernel))


def test_the_last_word_needs_no_new_file(tmp_path: Path) -> None:
    """Where nothing new can be written any more, status.json is overwritten in place, and shorter is no trouble."""
    folder = RunFolder(tmp_path)
    journal = Journal(folder, ["local", "vercel", "dedicated"])
    journal.write()
    (folder.path / f".status.json.{os.getpid()}").mkdir()  # where its successor would be written
    journal.status = journal.status.__class__(id="x", state="running", environments={}, pid=1, started="now")
    journal.end("failed", 3, "No space left on device")
    status = status_of(folder.path)
    assert (status.state, status.exit_code, status.reason) == ("failed", 3, "No space left on device")
