"""The cache's reference page has every option, event, outcome and method, and no others."""

import inspect
from collections.abc import Callable
from typing import get_args

import pytest

from dousell_cache import AsyncCache, Cache, connect
from dousell_cache.connecting import Options
from dousell_cache.events import Event, Outcome
from dousell_cache.face import Keeping, LockOptions

from .pages import REFERENCE, table


def _parameters(function: Callable[..., object]) -> set[str]:
    kinds = (inspect.Parameter.KEYWORD_ONLY,)
    return {name for name, one in inspect.signature(function).parameters.items() if one.kind in kinds}


def _options() -> set[str]:
    methods = (Cache.get_or_set, Cache.warm, Cache.cached, Cache.invalidate, connect)
    return set(Options.__optional_keys__ | Keeping.__optional_keys__).union(
        *(_parameters(method) for method in methods)
    )


def test_every_option_is_on_the_page() -> None:
    """Each option of a call and of connect has a row, and no row is about an option that is not there."""
    text = REFERENCE.read_text()
    rows = [
        line for line in text.partition("## Options")[2].partition("\n## ")[0].splitlines() if line.startswith("| `")
    ]
    assert {row.split("`")[1] for row in rows} == _options()


def test_every_option_of_a_lock_is_on_the_page() -> None:
    """Each option of a lock has a row, and no row is about one that is not there."""
    told = {name.strip("`") for row in table(REFERENCE, "Locks") for name in row[0].split(", ")}
    assert told == LockOptions.__optional_keys__ | {"ttl", "wait"}


def test_every_event_field_and_outcome_is_on_the_page() -> None:
    """The events table has every event with every field, and every outcome."""
    rows = {row[0].strip("`"): " ".join(row[1:]) for row in table(REFERENCE, "Events and counters")}
    kinds = get_args(Event)
    assert set(rows) == {kind.__name__ for kind in kinds}
    missing = [
        (kind.__name__, field)
        for kind in kinds
        for field in kind.__struct_fields__
        if f"`{field}`" not in rows[kind.__name__]
    ]
    assert missing == []
    assert [outcome for outcome in get_args(Outcome) if f"`{outcome}`" not in rows["Read"]] == []


def test_every_outcome_has_a_situation() -> None:
    """The table of what happens when leads to every outcome there is."""
    told = " ".join(row[1] for row in table(REFERENCE, "What happens when"))
    assert [outcome for outcome in get_args(Outcome) if f"`{outcome}`" not in told] == []


@pytest.mark.parametrize("face", [Cache, AsyncCache])
def test_every_method_is_on_the_page(face: type) -> None:
    """Each public method of either face is in the table of methods."""
    told = " ".join(row[0] for row in table(REFERENCE, "Methods"))
    methods = [name for name, _ in inspect.getmembers(face, inspect.isfunction) if not name.startswith("_")]
    assert [name for name in methods if f"`{name}(" not in told] == []
