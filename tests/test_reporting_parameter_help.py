"""The help of each notebook, generated from the schema."""

import pytest

from dousell_cache.cli import main
from dousell_cache.reporting.parameter_help import help_text
from dousell_cache.reporting.parameters import SCHEMAS, Parameter


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_help_names_every_parameter(name: str) -> None:
    """A notebook's help has a line for each parameter of its schema, and what it means."""
    text = help_text(name, SCHEMAS[name])
    assert [parameter.name for parameter in SCHEMAS[name] if parameter.help not in text] == []
    assert text.count("; default ") == len(SCHEMAS[name])


@pytest.mark.parametrize(
    ("parameter", "told"),
    [
        (Parameter("keys", "int", 8, "how many", 1, 1_000), "-p keys=  a whole number from 1 to 1,000; default 8"),
        (Parameter("n", "Optional[int]", None, "how many"), "-p n=  a whole number, or none; default none"),
        (
            Parameter("profile", "str", "quick", choices=("quick", "full")),
            "--profile  one of quick, full; default quick",
        ),
        (Parameter("scheduler", "str", "", "where"), "-p scheduler=  text; default empty"),
    ],
)
def test_a_line_says_what_a_value_may_be(parameter: Parameter, told: str) -> None:
    """How it is set, which values are allowed, and which one is taken by default."""
    assert told in help_text("mine", [parameter])


def test_the_command_explains_and_runs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """With --help-notebook it prints the help of those that were asked for, and ends with 0."""
    assert main(["report", "--notebook", "01", "--notebook", "05", "--help-notebook"]) == 0
    told = capsys.readouterr().out
    assert "01_measure_cache_aside takes:" in told
    assert "05_survive_failures takes:" in told
