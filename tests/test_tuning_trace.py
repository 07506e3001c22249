"""Traces: checked once, whatever they are made of."""

from typing import Any, get_args

import numpy as np
import pytest

from dousell_cache.events import Outcome
from dousell_cache.tuning.namespaces import seems_namespaced
from dousell_cache.tuning.trace import INVALIDATE, NO_FAMILY, OUTCOMES, READ, Trace


def test_outcomes_are_those_of_events() -> None:
    """A trace knows the outcomes that the cache tells of, and that none is known."""
    assert ("", *get_args(Outcome)) == OUTCOMES


def test_columns_come_back_as_they_were_given() -> None:
    """Times, keys, operations, families and loads are those given, one an event."""
    trace = Trace.of([0.001, 0.002, 5], ["home", "detail:7", "home"], [READ, INVALIDATE, READ], load_ms=[12, np.nan, 3])
    assert (trace.times.tolist(), list(trace.keys)) == ([0.001, 0.002, 5.0], ["home", "detail:7", "home"])
    assert trace.operation_names == ["read", "invalidate", "read"]
    assert (trace.family_names, trace.reads, trace.seconds, len(trace)) == (("home", "detail"), 2, 4.999, 3)
    assert trace.load_ms is not None
    assert trace.load_ms.tolist()[::2] == [12, 3]


def test_a_part_knows_only_its_own_keys() -> None:
    """A family, or a stretch of time, has its events and no other keys."""
    trace = Trace.of(
        [0, 1, 2, 3], ["a:1", "b:1", "a:2", "b:1"], load_ms=[1, 2, 3, 4], outcomes=[1, 2, 1, 2], sizes=[9] * 4
    )
    part = trace.of_family("b")
    assert (list(part.keys), part.key_names, part.family_names) == (["b:1", "b:1"], ("b:1",), ("b",))
    assert list(trace.between(1, 3).keys) == ["b:1", "a:2"]
    with pytest.raises(ValueError, match="no key family 'c' in this trace; it has a, b"):
        trace.of_family("c")


def test_digests_tell_traces_apart() -> None:
    """Equal questions have equal digests, whatever order their keys were first met in; others do not."""
    one = Trace.of([0, 1], ["a", "b"])
    assert len({one.digest, Trace.of([0, 1], ["b", "a"]).digest, Trace.of([0, 1], ["a", "b"], [0, 1]).digest}) == 3
    assert one.digest == Trace.of([1, 0], ["b", "a"], sort=True).digest
    assert one.digest == Trace.of([0, 1, 2], ["a", "b", "c"]).between(0, 2).digest


def test_many_keys_without_a_colon_share_a_family() -> None:
    """A thousand families are enough: beyond that, keys without a colon are one."""
    few, many = [f"key{n}" for n in range(1000)], [f"key{n}" for n in range(1001)]
    assert len(Trace.of(range(1000), few).family_names) == 1000
    assert Trace.of(range(1002), [*many, "page:1"]).family_names == (NO_FAMILY, "page")


@pytest.mark.parametrize(
    ("times", "options", "sentence"),
    [
        ([0.0, 2.0, 1.0], {}, "times must ascend, but row 2 is at 1.000000 s, after 2.000000 s; sort=True"),
        ([0.0, -1.0, 2.0], {"sort": True}, "times must be 0 or later, not -1.0 in row 0"),
        ([0.0, float("nan"), 2.0], {}, "one is missing or not finite, not nan in row 1"),
        ([0.0, 1.0, float("inf")], {}, "one is missing or not finite, not inf in row 2"),
        ([0.0, 1.0, 1.7e12], {}, "are they in milliseconds.*row 2"),
        ([0.0, 1.0], {}, "one value an event"),
        ([0.0, 1.0, 2.0], {"operations": [0, 2, 0]}, "operations must be whole numbers from 0 to 1, not 2 in row 1"),
        ([0.0, 1.0, 2.0], {"operations": [0, 256, 0]}, "operations must be a whole number.*not 256 in row 1"),
        ([0.0, 1.0, 2.0], {"outcomes": [0, 8, 0]}, "outcomes must be whole numbers from 0 to 7"),
        ([0.0, 1.0, 2.0], {"load_ms": [0, -1, 0]}, "load_ms must be 0 or more"),
    ],
)
def test_what_is_no_trace_is_refused(times: list[float], options: dict[str, Any], sentence: str) -> None:
    """Unsorted, negative, missing, huge or too few times, and codes of nothing, are told by the row."""
    with pytest.raises(ValueError, match=sentence):
        Trace.of(times, ["a", "b", "a"], **options)


def test_sorting_keeps_the_order_of_what_is_at_one_time() -> None:
    """Events of one time stay in the order they were given in."""
    trace = Trace.of([1, 0, 1, 0], ["c", "a", "d", "b"], sort=True)
    assert list(trace.keys) == ["a", "b", "c", "d"]


def test_an_empty_trace_is_one() -> None:
    """No events are a trace, of no length."""
    assert (len(Trace.of([], [])), Trace.of([], []).seconds, Trace.of([], []).reads) == (0, 0.0, 0)


@pytest.mark.parametrize(
    ("keys", "prefix"),
    [
        (["prod:v3:property:1", "prod:v3:property:2"], "prod:v3:"),
        (["prod:v3:property:1", "prod:v3:property:2", "prod:v3:home"], "prod:v3:"),
        (["prod:property:a", "prod:property:b"], "prod:"),
        (["property:1", "property:2"], ""),
        (["property:a", "property:b"], ""),
        (["property:1:photos", "property:1:prices", "property:2:photos"], ""),
        (["property:abc", "property:abc:photos", "property:def", "property:def:photos"], ""),
        ([f"property:{slug}:{page}" for slug in "abcdefgh" for page in ("photos", "prices")], ""),
        ([f"prod:{family}:{key}" for family in "abcdefgh" for key in range(10)], "prod:"),
        (["home:1", "property:2"], ""),
        (["home"], ""),
    ],
)
def test_a_namespace_is_told_from_a_family(keys: list[str], prefix: str) -> None:
    """What all keys begin with is a namespace if families come after it, and not only ids."""
    assert seems_namespaced(Trace.of(range(len(keys)), keys)) == prefix


def test_keys_of_a_namespace_are_told_apart_as_before() -> None:
    """Of a namespace's keys only the names and the families are others; without any there is a sentence."""
    trace = Trace.of(range(4), ["a:x:1", "b:x:1", "a:y:1", "a:x:1"], [0, 0, 1, 1])
    found = trace.of_namespace("a:")
    assert (found.keys, found.operations.tolist(), found.family_names) == (["x:1", "y:1", "x:1"], [0, 1, 1], ("x", "y"))
    for prefix in ("", "c:"):
        with pytest.raises(
            ValueError, match=f"no key of this trace has the namespace '{prefix}'; the first is 'a:x:1'"
        ):
            trace.of_namespace(prefix)


def test_a_namespace_ends_at_its_colon() -> None:
    """Without its last colon, prod is still not what product: begins with; others are as they are."""
    trace = Trace.of(range(4), ["prod:x:1", "product:1", "prod2:x:1", "prod:y:1"])
    assert list(trace.of_namespace("prod").keys) == list(trace.of_namespace("prod:").keys) == ["x:1", "y:1"]
    assert trace.of_namespace("prod2").keys == ["x:1"]
    assert Trace.of(range(2), ["prod-x:1", "prod-y:1"]).of_namespace("prod-").family_names == ("x", "y")
