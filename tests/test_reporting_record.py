"""The verdicts of a run, and the shape of what it leaves behind."""

import itertools
import json
import re
from pathlib import Path

import msgspec
import pytest

from dousell_cache.check import Step
from dousell_cache.measure.result import Result
from dousell_cache.reporting.record import EXIT_CODES, Results, RunStatus, encode, environment_verdict

from .reports import BAD, GOOD, VAGUE, failed, made_up, measured

RECORDS = {
    "error": failed("cell_error", "no"),
    "unreachable": failed("unreachable", "no"),
    "fail": measured(BAD),
    "inconclusive": measured(VAGUE),
    "pass": measured(GOOD),
    "measured": measured({}),
}


def test_the_environments_of_these_tests_are_what_they_say() -> None:
    """Each made-up record has the verdict it stands for."""
    assert {word: record.verdict for word, record in RECORDS.items()} == {word: word for word in RECORDS}


@pytest.mark.parametrize("words", list(itertools.product(RECORDS, repeat=2)))
def test_the_worst_environment_decides(words: tuple[str, str]) -> None:
    """Failed to run, unreachable, missed, inconclusive, met, measured: the first of these that occurs is the run's."""
    results = made_up({f"e{number}": RECORDS[word] for number, word in enumerate(words)})
    assert results.verdict == min(words, key=list(RECORDS).index)
    assert results.exit_code == EXIT_CODES[results.verdict]


@pytest.mark.parametrize(("passed", "verdict"), [([True, True], "pass"), ([True, False], "fail")])
def test_a_connection_test_counts_like_a_target(passed: list[bool], verdict: str) -> None:
    """An environment whose only notebook is the connection test passes or fails by its steps."""
    steps = [Step("GET", each, "", 1.0) for each in passed]
    result = Result(
        notebook="00",
        environment="local",
        cache="",
        origin="",
        emulated=[],
        started="",
        seconds=0,
        parameters={},
        steps=steps,
    )
    assert environment_verdict("ok", [result]) == verdict


def test_nothing_judged_is_neither_praise_nor_blame() -> None:
    """An environment whose notebooks judge nothing is measured: no pass, no doubt, and no exit code of its own."""
    assert environment_verdict("ok", []) == "measured"
    assert EXIT_CODES["measured"] == 0


def test_the_documented_examples_are_such_files() -> None:
    """What the reference page shows can be read as results and status, and has every field of them."""
    page = Path(__file__).parents[1] / "docs" / "reference" / "results.md"
    results, status, *_ = re.findall(r"```json\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    assert encode(msgspec.json.decode(results, type=Results)) == encode_as_written(results)
    assert encode(msgspec.json.decode(status, type=RunStatus)) == encode_as_written(status)


def encode_as_written(text: str) -> bytes:
    """Return JSON in our layout, its fields in their own order."""
    return msgspec.json.format(text.encode(), indent=2) + b"\n"


def test_results_are_read_back_as_they_were_written() -> None:
    """What is written is JSON, names its schema and version, and reads back equal."""
    results = made_up({"local": RECORDS["fail"], "vercel": RECORDS["unreachable"]})
    written = encode(results)
    document = json.loads(written)
    assert (document["schema"], document["version"]) == ("dousell-cache/results", 1)
    assert document["environments"]["local"]["figures"]["hit_rate"]["value"] == 0.6234
    assert document["environments"]["vercel"]["status"] == "unreachable"
    assert msgspec.json.decode(written, type=Results) == results
