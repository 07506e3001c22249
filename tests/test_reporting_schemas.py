"""What is written for programs is what the published schemas say."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from dousell_cache.measure.place import Place
from dousell_cache.measure.result import this_host
from dousell_cache.reporting import schemas
from dousell_cache.reporting.record import EnvironmentRecord, Results, RunStatus, encode

from .reports import BAD, GOOD, NAME, VAGUE, failed, made_up, measured

ROOT = Path(__file__).parents[1]


def checked(name: str, document: Any) -> None:
    """Hold a document to its published schema."""
    schema = json.loads((ROOT / schemas.FOLDER / f"{name}.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(document)


@pytest.mark.parametrize("name", list(schemas.DOCUMENTS))
def test_the_published_schemas_are_current(name: str) -> None:
    """Each file is what the structs say; else: python -m dousell_cache.reporting.schemas."""
    assert (ROOT / schemas.FOLDER / f"{name}.schema.json").read_text("utf-8") == schemas.text(name)


def stamped(record: EnvironmentRecord) -> EnvironmentRecord:
    """Return a record whose result has every stamp."""
    (notebook,) = record.notebooks.values()
    assert notebook.result
    place = Place(kind="rest", tls=True, region="cdg1", rtt_floor_ms=4.2, rtt_median_ms=5.0, pings=20, stolen=0.0)
    result = msgspec.structs.replace(notebook.result, place=place, host=this_host(), commit="0" * 40, seed=1)
    return msgspec.structs.replace(record, notebooks={NAME: msgspec.structs.replace(notebook, result=result)})


@pytest.mark.parametrize(
    "record",
    [
        measured(GOOD),
        stamped(measured(GOOD, emulated=["Upstash"])),
        measured(BAD),
        measured(VAGUE),
        failed("unreachable", "no"),
    ],
)
def test_results_are_as_published(record: EnvironmentRecord) -> None:
    """Whatever became of a run, its results.json is valid, and so is one with fields that the schema does not know."""
    document = json.loads(encode(made_up({"local": record})))
    checked("results", document)
    checked("results", {**document, "new": {"field": 1}})


def test_a_status_is_as_published() -> None:
    """So is status.json, while a run is under way and after it."""
    running = RunStatus(id="a", state="running", environments={"local": "pending"}, pid=1, started="now")
    for status in (running, msgspec.structs.replace(running, state="failed", reason="full", finished="later")):
        checked("status", json.loads(encode(status)))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("verdict",), "good"),
        (("run", "host", "cpus"), "two"),
        (("environments", "local", "figures", "hit_rate", "value"), None),
        (("environments", "local", "status"), "fine"),
    ],
)
def test_what_is_no_result_is_refused(path: tuple[str, ...], value: object) -> None:
    """A word or a type that results.json cannot have is not valid."""
    document: Any = json.loads(encode(made_up({"local": measured(GOOD)})))
    inner = document
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        checked("results", document)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(document, Results)
