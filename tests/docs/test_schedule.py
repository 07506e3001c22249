"""The page about schedules: its commands are this command's, its files are what their readers take, its claims hold."""

import ast
import configparser
import re
import shlex
from pathlib import Path
from typing import Any

import papermill
import pytest
import yaml

from dousell_cache.cli import main, parser
from dousell_cache.local import Cloud
from dousell_cache.reporting.parameters import SCHEMAS, resolve

from .pages import ROOT, table

PAGE = ROOT / "docs" / "how-to" / "schedule.md"
COMMAND = re.compile(r"dousell-cache (report [^\n\"`>]*)")
EXIT_CODES = {0, 1, 2, 3, 4, 5, 75, 130, 143}


def blocks(info: str) -> list[str]:
    """Return the page's fenced blocks of a kind."""
    return re.findall(rf"^```{re.escape(info)}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Return the reports that the page's blocks start, without their beginning."""
    kinds = ("sh", "crontab", "ini", "yaml", "python no-run")
    return [found.strip() for kind in kinds for block in blocks(kind) for found in COMMAND.findall(block)]


def dag() -> dict[str, dict[str, Any]]:
    """Return the literal arguments of each operator of the DAG, by the operator's name."""
    calls = [node for node in ast.walk(ast.parse(blocks("python no-run")[0])) if isinstance(node, ast.Call)]
    return {
        call.func.id: {word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg}
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id.endswith("Operator")
    }


@pytest.mark.parametrize("command", commands())
def test_every_command_would_run(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each report of the page, told to do nothing, is understood and names where it would write."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REDIS_URL", "rediss://cache.example:6380")
    assert main([*shlex.split(command), "--dry-run"]) == 0
    assert "<run id>/index.html" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_every_kind_of_schedule_has_a_command() -> None:
    """None of the examples escapes the test above."""
    assert len(commands()) == 5


def test_the_exit_codes_are_all_there() -> None:
    """The table has each exit code of the command, never 99, and what systemd takes for success is among them."""
    told = {int(code) for row in table(PAGE, "What a scheduler has to know") for code in row[0].split(", ")}
    assert told == EXIT_CODES
    help_text = " ".join(parser().format_help().split())
    assert [code for code in told - {1, 2} if not re.search(rf"\b{code}\b", help_text)] == []


def test_the_crontab_is_one() -> None:
    """Its lines are variables, or five fields and an absolute path without a bare %."""
    for line in blocks("crontab")[0].splitlines():
        if not re.match(r"[A-Z_]+=", line):
            fields = line.split(maxsplit=5)
            assert all(re.fullmatch(r"[\d*/,-]+", field) for field in fields[:5])
            assert fields[5].startswith("/")
            assert not re.search(r"(?<!\\)%", fields[5])


def test_the_units_fit_each_other() -> None:
    """The service ends by itself before systemd loses patience, and is given the time to end in order."""
    units = [configparser.ConfigParser(interpolation=None) for _ in range(2)]
    for unit, text in zip(units, blocks("ini"), strict=True):
        unit.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's names have capitals
        unit.read_string(text)
    service, timer = units
    words = shlex.split(service["Service"]["ExecStart"])
    assert int(words[words.index("--time-limit") + 1]) + 60 <= int(service["Service"]["TimeoutStartSec"])
    assert int(service["Service"]["TimeoutStopSec"]) > 15
    assert {int(code) for code in service["Service"]["SuccessExitStatus"].split()} <= EXIT_CODES
    assert timer["Timer"]["OnCalendar"]


def test_the_workflow_keeps_its_report() -> None:
    """It is YAML, one at a time, and what was written is kept whatever the verdict, before the job's own limit."""
    workflow = yaml.safe_load(blocks("yaml")[0])
    job = workflow["jobs"]["report"]
    report, upload = job["steps"][-2:]
    words = shlex.split(report["run"])
    assert (upload["if"], upload["with"]["path"]) == ("always()", words[words.index("--out") + 1])
    assert int(words[words.index("--time-limit") + 1]) < job["timeout-minutes"] * 60
    assert workflow["concurrency"]["group"]


def test_what_the_papermill_operator_does_works(tmp_path: Path, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """The notebook of the DAG runs under papermill itself, as the operator calls it, with the DAG's parameters."""
    assert cloud
    monkeypatch.chdir(ROOT)
    compile(blocks("python no-run")[0], str(PAGE), "exec", dont_inherit=True)
    asked = dag()["PapermillOperator"]
    name = Path(asked["input_nb"]).stem
    assert resolve(name, asked["parameters"]) == asked["parameters"]
    executed = papermill.execute_notebook(
        asked["input_nb"],
        str(tmp_path / "executed.ipynb"),
        parameters=asked["parameters"],
        progress_bar=False,
        report_mode=True,
        kernel_name=asked["kernel_name"],
    )
    assert [cell["metadata"]["papermill"]["exception"] for cell in executed.cells if cell.cell_type == "code"] != []
    assert not any(cell["metadata"]["papermill"]["exception"] for cell in executed.cells)


def test_what_jupyter_scheduler_wants_typed_is_a_value() -> None:
    """Pasted behind an equals sign, each value of the table is one that its parameter takes; the other is none."""
    declared = {parameter.name: parameter for parameter in SCHEMAS["01_measure_cache_aside"]}
    for name, right, wrong in ([cell.strip("`") for cell in row] for row in table(PAGE, "jupyter-scheduler")):
        value = ast.literal_eval(right)
        parameter = declared[name]
        assert type(value) is type(parameter.default)
        with pytest.raises((NameError, SyntaxError)):
            exec(f"{name} = {wrong}", {})  # noqa: S102 - as the scheduler's kernel would
