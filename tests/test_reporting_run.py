"""Runs with real kernels: what happened is what is written down, and nothing is left running."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pyarrow.parquet as pq
import pytest

from dousell_cache.reporting import catalog, supervise
from dousell_cache.reporting.folder import ReportNotWritten
from dousell_cache.reporting.measuring import Stage
from dousell_cache.reporting.parameters import resolve_all
from dousell_cache.reporting.record import Results, RunStatus
from dousell_cache.reporting.request import Request
from dousell_cache.reporting.run import Finished, run

from .processes import gone
from .reports import Seen, worker, write_notebook

if TYPE_CHECKING:
    from .conftest import WaitUntil

CANARY = "c4n4ry-token-7391"
TYPED = "typed-c4n4ry-2680"  # in no environment variable: only its place in a URL tells that it is a password
ONLY_LOCAL = worker("None if environment == 'local' else 'nothing listens at redis://***@far:6379'")
ALL = worker("None")

PUBLISH = """
import pandas as pd
from dousell_cache.measure.kpis import KPIS, judge
from dousell_cache.measure.result import Interval, LatencyRow, Result, publish, this_host
rate = Interval(0.9715, 0.951, 0.983, samples)
result = Result(
    notebook="good", environment=environment, cache="here", origin="there", emulated=["Supabase (300 ms)"],
    started="2026-11-22T19:30:00+00:00", seconds=1.5, parameters={"whence": whence}, figures={"hit_rate": rate},
    latency=[LatencyRow("hit", samples, 1.5, 1.337, 2.974)], verdicts=[judge(KPIS["hit_rate"], rate)], host=this_host(),
)
frame = pd.DataFrame({"response_ms": range(samples)})
frame.attrs["from"] = whence
publish(result, frame)
"""
GOOD = 'environment: str = "x"\nsamples: int = 1\nwhence: str = ""'
# The kernel's id, its worker's, then whatever is to go wrong.
NOTE_PIDS = "import os, pathlib\npathlib.Path(pids).write_text(f'{os.getpid()} {os.getppid()}')"
HANG = "import time\nwhile True:\n    time.sleep(0.1)"
# Holds the interpreter's lock, so that the kernel cannot even see that its parent is gone.
SEIZE = "import ctypes\nctypes.PyDLL(None).sleep(600)" if Path("/proc").is_dir() else HANG


def requested(
    *paths: Path,
    seconds: float = 60,
    environments: Sequence[str] = ("local",),
    parallel: bool = False,
    **given: str,
) -> Request:
    """Return a request for notebooks of one's own."""
    notebooks = catalog.find_all(str(path) for path in paths)
    declared = {notebook.name: notebook.parameters for notebook in notebooks}
    parameters = resolve_all(declared, given, "quick")
    return Request(environments, notebooks, parameters, "quick", seconds, "dousell-cache report", parallel)


@dataclass
class Hanging:
    """A notebook that notes its process ids and then hangs, and what it noted."""

    path: Path
    pids: Path

    @property
    def parameters(self) -> str:
        """Its parameters cell."""
        return f'environment: str = "local"\npids: str = "{self.pids}"'

    @property
    def begun(self) -> bool:
        """Whether it hangs by now."""
        return self.pids.exists() and " " in self.pids.read_text()

    @property
    def kernel(self) -> int:
        """The kernel's process."""
        return int(self.pids.read_text().split()[0])

    @property
    def worker(self) -> int:
        """The process that executes the notebooks."""
        return int(self.pids.read_text().split()[1])


@pytest.fixture
def hanging(tmp_path: Path) -> Hanging:
    """A notebook that hangs in its third code cell, after its parameters and a note of its process ids."""
    notebook = Hanging(tmp_path / "hangs.ipynb", tmp_path / "pids")
    write_notebook(notebook.path, NOTE_PIDS, HANG, parameters=notebook.parameters)
    return notebook


def once(condition: Callable[[], bool], action: Callable[[], None]) -> Callable[[Stage], None]:
    """Return an observer that acts the first time that a condition holds."""
    done: list[bool] = []

    def observe(_stage: Stage) -> None:
        if not done and condition():
            done.append(True)
            action()

    return observe


def status_of(folder: Path) -> RunStatus:
    """Read a run's status."""
    return msgspec.json.decode((folder / "status.json").read_bytes(), type=RunStatus)


@dataclass
class Mixed:
    """A run with everything in it, and what was seen of it on the way."""

    finished: Finished
    stages: list[Stage]
    states: list[RunStatus]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Mixed:
    """Three notebooks (one good, one raises, one kills its kernel) in a reachable and an unreachable place."""
    folder = tmp_path_factory.mktemp("mixed")
    good = write_notebook(folder / "good.ipynb", PUBLISH, parameters=GOOD)
    raising = f"print('token', '{CANARY}')\nraise ValueError('cannot reach redis://user:{CANARY}@host\\nat all')"
    bad = write_notebook(folder / "raises.ipynb", "1 + 1", raising, "'never run'")
    dead = write_notebook(
        folder / "{dies}.ipynb", "'before'", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    stages: list[Stage] = []
    states: list[RunStatus] = []
    out = folder / "reports"

    def observe(stage: Stage) -> None:
        stages.append(stage)
        states.extend(status_of(partial) for partial in out.glob(".*.partial"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UPSTASH_REDIS_REST_TOKEN", CANARY)
        whence = f"tcp://me:{TYPED}@host:8786"
        request = requested(good, bad, dead, environments=("local", "vercel"), samples="120", whence=whence)
        request = replace(request, command=f"dousell-cache report -p whence={whence}")
        finished = run(request, out, observe=observe, worker=ONLY_LOCAL)
    return Mixed(finished, stages, states)


def test_each_notebook_ends_as_it_ended(mixed: Mixed) -> None:
    """Good, raised and dead are told apart, by cause and cell; a failure does not stop the notebooks after it."""
    notebooks = mixed.finished.results.environments["local"].notebooks
    assert {name: record.status for name, record in notebooks.items()} == {
        "good": "ok",
        "raises": "cell_error",
        "{dies}": "dead_kernel",
    }
    assert notebooks["good"].reason is None
    assert notebooks["raises"].reason == "cell 2: ValueError: cannot reach redis://•••@host"
    assert notebooks["{dies}"].reason == "the kernel died in cell 2"


def test_an_unreachable_environment_is_said_to_be(mixed: Mixed) -> None:
    """Its reason is the preflight's sentence, its notebooks are not run, and the other environment still was."""
    vercel = mixed.finished.results.environments["vercel"]
    assert (vercel.status, vercel.verdict) == ("unreachable", "unreachable")
    assert vercel.reason == "nothing listens at redis://•••@far:6379"
    assert {record.status for record in vercel.notebooks.values()} == {"not_run"}


def test_what_was_published_is_in_the_results(mixed: Mixed) -> None:
    """Figures, samples and emulated parts of a notebook are its environment's, the run's parameters are its own."""
    results = mixed.finished.results
    local = results.environments["local"]
    assert local.figures["hit_rate"].value == 0.9715
    assert local.emulated == ["Supabase (300 ms)"]
    assert local.samples == 120
    assert local.notebooks["good"].result is not None
    assert local.notebooks["good"].result.environment == "local"
    assert results.run.parameters["good"] == {
        "environment": "x",
        "samples": 120,
        "whence": "tcp://•••@host:8786",
    }
    assert local.notebooks["good"].result.parameters == {"whence": "tcp://•••@host:8786"}
    assert results.run.command == "dousell-cache report -p whence=tcp://•••@host:8786"


def test_a_failed_notebook_outranks_an_unreachable_environment(mixed: Mixed) -> None:
    """The run failed, exit code 3, although a target was met and an environment was not reached."""
    results = mixed.finished.results
    assert (results.verdict, results.exit_code) == ("error", 3)
    assert results.environments["local"].verdict == "error"


def test_the_folder_is_complete(mixed: Mixed) -> None:
    """It holds what it should under its final name, nothing else, and what results.json says is what run returned."""
    folder = mixed.finished.folder
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {
        "index.html",
        "notebooks/local/good.ipynb",
        "notebooks/local/raises.ipynb",
        "notebooks/local/{dies}.ipynb",
        "results.json",
        "samples.parquet",
        "status.json",
    }
    written = msgspec.json.decode((folder / "results.json").read_bytes(), type=Results)
    assert written == mixed.finished.results
    assert sorted(entry.name for entry in folder.parent.iterdir()) == [folder.name, "index.html"]


def test_samples_are_kept_with_their_origin(mixed: Mixed) -> None:
    """Each measurement says which environment and notebook it is of."""
    table = pq.read_table(mixed.finished.folder / "samples.parquet")
    assert table.num_rows == 120
    assert set(table["environment"].to_pylist()) == {"local"}
    assert set(table["notebook"].to_pylist()) == {"good"}


def test_failed_notebooks_are_kept_and_say_so(mixed: Mixed) -> None:
    """What was executed until the failure is there, and the notebook's own note is true where papermill's is not."""
    kept = {path.stem: json.loads(path.read_text()) for path in mixed.finished.folder.rglob("*.ipynb")}
    assert kept["{dies}"]["metadata"]["dousell_cache"]["status"] == "dead_kernel"
    assert "'before'" in json.dumps(kept["{dies}"]["cells"])
    assert "papermill-error-cell-tag" in json.dumps(kept["raises"])
    assert not any("input_path" in notebook["metadata"]["papermill"] for notebook in kept.values())


def test_no_secret_and_no_private_path_is_written(mixed: Mixed, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A token that was printed and quoted, and a password typed into a parameter, are in no file, nor our own paths."""
    for path in mixed.finished.folder.parent.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert CANARY.encode() not in content, path
        assert TYPED.encode() not in content, path
        assert os.fsencode(tmp_path_factory.getbasetemp()) not in content, path


def test_the_page_tells_the_same(mixed: Mixed) -> None:
    """It fetches nothing and holds the figures, the failures' reasons and the sentence about the unreachable place."""
    seen = Seen(mixed.finished.page.read_text())
    assert seen.fetched == []
    assert 0.9715 in seen.exact
    assert "97.2 %" in seen.text
    assert "cell 2: ValueError: cannot reach redis://•••@host" in seen.text
    assert "nothing listens at redis://•••@far:6379" in seen.text
    assert "never run" not in seen.text.replace("'never run'", "")
    assert "Traceback" not in seen.text


def test_the_status_is_true_on_the_way(mixed: Mixed) -> None:
    """While it runs it says so, with each environment's turn; at the end it says how it ended."""
    assert {state.state for state in mixed.states} == {"running"}
    assert mixed.states[0].environments == {"local": "running", "vercel": "pending"}
    assert mixed.states[-1].environments == {"local": "cell_error", "vercel": "running"}
    end = status_of(mixed.finished.folder)
    assert (end.state, end.exit_code) == ("finished", 3)
    assert end.environments == {"local": "cell_error", "vercel": "unreachable"}
    assert end.finished is not None


def test_progress_only_grows(mixed: Mixed) -> None:
    """A progress bar moves forward, from one environment to the next."""
    fractions = [stage.fraction for stage in mixed.stages]
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] <= fractions[-1] <= 1
    assert {"good", "raises", "{dies}"} <= {stage.notebook for stage in mixed.stages}


def test_a_cell_that_hangs_is_stopped(tmp_path: Path, hanging: Hanging, wait_until: "WaitUntil") -> None:
    """At half of the environment's time the cell is stopped, its kernel is gone, and the next notebook has its turn."""
    after = write_notebook(tmp_path / "after.ipynb", "'done'")
    finished = run(requested(hanging.path, after, seconds=16), tmp_path / "reports", worker=ALL)
    local = finished.results.environments["local"]
    assert (local.status, local.verdict, finished.results.exit_code) == ("timeout", "error", 3)
    assert local.reason == "hangs: cell 4 was stopped after 8 s, its time limit"
    assert local.notebooks["after"].status == "ok"
    wait_until(lambda: gone(hanging.kernel))


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_run_in_order(
    tmp_path: Path, hanging: Hanging, wait_until: "WaitUntil", signum: signal.Signals, code: int
) -> None:
    """The kernel is gone, the report is written, and everything says that the run was stopped."""
    first = write_notebook(tmp_path / "first.ipynb", "'done'")
    stop = once(lambda: hanging.begun, lambda: os.kill(os.getpid(), signum))
    request = requested(first, hanging.path, environments=("local", "vercel"))
    finished = run(request, tmp_path / "reports", observe=stop, worker=ALL)
    environments = finished.results.environments
    assert finished.results.exit_code == code
    assert environments["local"].status == environments["vercel"].status == "interrupted"
    assert [record.status for record in environments["local"].notebooks.values()] == ["ok", "interrupted"]
    assert [record.status for record in environments["vercel"].notebooks.values()] == ["not_run", "not_run"]
    assert status_of(finished.folder).state == "interrupted"
    assert "The run was stopped" in finished.page.read_text()
    assert (finished.folder / "notebooks" / "local" / "hangs.ipynb").is_file()
    wait_until(lambda: gone(hanging.worker) and gone(hanging.kernel))


def test_a_killed_worker_takes_its_kernel_along(tmp_path: Path, hanging: Hanging, wait_until: "WaitUntil") -> None:
    """The process that executes is killed: the environment says by what, and no kernel is left, however stuck."""
    write_notebook(hanging.path, f"{NOTE_PIDS}\n{SEIZE}", parameters=hanging.parameters)
    kill = once(lambda: hanging.begun, lambda: os.kill(hanging.worker, signal.SIGKILL))
    finished = run(requested(hanging.path), tmp_path / "reports", observe=kill, worker=ALL)
    local = finished.results.environments["local"]
    assert local.status == "dead_kernel"
    assert local.reason == "the process that ran the notebooks was killed by SIGKILL"
    assert local.notebooks["hangs"].status == "dead_kernel"
    wait_until(lambda: gone(hanging.kernel))


def test_a_killed_run_leaves_no_process(tmp_path: Path, hanging: Hanging, wait_until: "WaitUntil") -> None:
    """The run itself is killed: its worker and kernel end by themselves, and its status names the dead process."""
    out = tmp_path / "reports"
    program = (
        "import sys, pathlib\nfrom tests import test_reporting_run as here\n"
        "here.run(here.requested(pathlib.Path(sys.argv[1])), pathlib.Path(sys.argv[2]), worker=here.ALL)"
    )
    command = [sys.executable, "-c", program, str(hanging.path), str(out)]
    with tempfile.TemporaryDirectory(prefix="dr-", dir="/tmp") as scratch:  # what a killed run leaves is removed here
        environ = {**os.environ, "TMPDIR": scratch}
        with subprocess.Popen(command, cwd=Path(__file__).parents[1], env=environ) as running:
            wait_until(lambda: hanging.begun or running.poll() is not None)
            running.kill()
        wait_until(lambda: gone(hanging.worker) and gone(hanging.kernel))
    (partial,) = out.iterdir()
    assert (status_of(partial).state, status_of(partial).pid) == ("running", running.pid)


def test_a_worker_that_fails_is_quoted(tmp_path: Path) -> None:
    """When the environment cannot even be tried, the last line of what the process said is the reason."""
    quick = write_notebook(tmp_path / "quick.ipynb", "1")
    finished = run(requested(quick), tmp_path / "reports", worker=worker("1 / 0"))
    local = finished.results.environments["local"]
    assert local.reason == "the process that ran the notebooks failed: ZeroDivisionError: division by zero"
    assert (local.status, local.notebooks["quick"].status) == ("dead_kernel", "not_run")


def test_an_environment_that_never_answers_is_out_of_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A preflight that hangs is ended from outside when the environment's time is over."""
    monkeypatch.setattr(supervise, "START_SECONDS", 0)
    quick = write_notebook(tmp_path / "quick.ipynb", "1")
    finished = run(requested(quick, seconds=4), tmp_path / "reports", worker=worker("__import__('time').sleep(600)"))
    local = finished.results.environments["local"]
    assert (local.status, local.reason) == ("timeout", "the environment's time was over")
    assert local.notebooks["quick"].status == "not_run"


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (("import sys\nsys.exit(0)", "'skipped'"), "cell 1: SystemExit: the notebook left early"),
        (
            ("import os, pathlib\npathlib.Path(os.environ['DOUSELL_CACHE_RESULTS'], 'x.json').write_text('{')",),
            "what it published cannot be read: Input data was truncated",
        ),
    ],
)
def test_a_success_that_is_none_is_none(tmp_path: Path, cells: tuple[str, ...], reason: str) -> None:
    """A notebook that leaves early, or whose result cannot be read, did not succeed, whatever papermill says."""
    path = write_notebook(tmp_path / "odd.ipynb", *cells)
    record = run(requested(path), tmp_path / "reports", worker=ALL).results.environments["local"].notebooks["odd"]
    assert (record.status, record.reason) == ("cell_error", reason)


def test_a_report_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    """The folder vanishes under the run: one sentence says which file, and nothing takes its place."""
    out = tmp_path / "reports"
    quick = write_notebook(tmp_path / "quick.ipynb", "1")
    remove = once(lambda: True, lambda: shutil.rmtree(next(out.iterdir())))
    with pytest.raises(ReportNotWritten, match=r"could not be written: .*No such file or directory"):
        run(requested(quick), out, observe=remove, worker=ALL)
    assert list(out.iterdir()) == []


def test_a_notebook_that_compares_environments_runs_once(tmp_path: Path) -> None:
    """It comes last, is told every environment, and its result stands beside theirs, on the page as well."""
    good = write_notebook(tmp_path / "good.ipynb", PUBLISH, parameters=GOOD)
    compares = PUBLISH.replace("environment=environment", 'environment=environments.replace(",", ", ")').replace(
        'verdicts=[judge(KPIS["hit_rate"], rate)]', "verdicts=[]"
    )
    both = write_notebook(tmp_path / "both.ipynb", compares, parameters=GOOD.replace("environment", "environments"))
    stages: list[Stage] = []
    request = requested(both, good, environments=("local", "vercel"), samples="120")
    finished = run(request, tmp_path / "reports", observe=stages.append, worker=ALL)
    results = finished.results
    assert list(dict.fromkeys(stage.environment for stage in stages)) == ["local", "vercel", "together"]
    assert {name: list(record.notebooks) for name, record in results.parts.items()} == {
        "local": ["good"],
        "vercel": ["good"],
        "together": ["both"],
    }
    assert results.together is not None
    found = results.together.notebooks["both"].result
    assert found is not None
    assert found.environment == "local, vercel"
    assert (results.together.status, results.together.verdict, results.together.samples) == ("ok", "measured", 120)
    assert pq.read_table(finished.folder / "samples.parquet").num_rows == 360
    assert (finished.folder / "notebooks" / "together" / "both.ipynb").is_file()
    assert status_of(finished.folder).environments == {"local": "ok", "vercel": "ok", "together": "ok"}
    assert "all together" in Seen(finished.page.read_text("utf-8")).text


def test_a_comparison_alone_is_a_run(tmp_path: Path) -> None:
    """Without a notebook for each environment there are no environments in the results, and no target to miss."""
    both = write_notebook(tmp_path / "both.ipynb", "'seen'", parameters='environments: str = "local"')
    finished = run(requested(both, environments=("local", "vercel")), tmp_path / "reports", worker=ALL)
    assert finished.results.environments == {}
    assert (finished.results.verdict, finished.results.exit_code) == ("measured", 0)
    assert "Measured" in Seen(finished.page.read_text("utf-8")).text
