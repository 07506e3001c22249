"""The monitor's reference page has every option, metric, field of a sample and kind of figure, and no others."""

import argparse

from dousell_cache.cli import monitor
from dousell_cache.monitor.figures import Sample
from dousell_cache.monitor.metrics import METRICS

from .pages import MONITOR, table


def test_every_metric_is_on_the_page() -> None:
    """The page's table is the package's: names, types, labels, words and sources, in order."""
    told = [[cell.replace("`", "") for cell in row] for row in table(MONITOR, "Metrics")]
    assert told == [[one.name, one.type, ", ".join(one.labels), one.help, one.source] for one in METRICS]


def test_every_option_is_on_the_page() -> None:
    """Each option of the command has a row, and no row is about one that is not there."""
    commands = argparse.ArgumentParser().add_subparsers()
    monitor.add(commands)
    options = {action.option_strings[-1] for action in commands.choices["monitor"]._actions} - {"--help"}
    told = {row[0].strip("`").split()[0] for row in table(MONITOR, "Options of `dousell-cache monitor`")}
    assert told == options


def test_every_field_of_a_sample_is_on_the_page() -> None:
    """Each field that JSON has is explained, but for the two that say what it is."""
    told = {name.strip("`") for row in table(MONITOR, "One sample") for name in row[0].split(", ")}
    assert told == set(Sample.__struct_fields__) - {"schema", "version"}
