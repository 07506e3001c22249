"""Foreign CSV: ``time,key[,op]``. No line that makes no sense becomes a wrong curve."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dousell_cache.tuning.foreign import FILLS, NO_CHANGES, READS, WITHDRAWALS, WRITES
from dousell_cache.tuning.formats import examine


@pytest.mark.parametrize(
    ("text", "options", "times"),
    [
        ("time_s,key\n0.25,a\n1.5,b\n", {}, [0.25, 1.5]),
        ("0.25,a\n1.5,b\n", {"unit": "s"}, [0.25, 1.5]),
        ("time,key\n0.0,a\n10.5,b\n", {"unit": "ms"}, [0, 0.0105]),
        ("time_ms,key\n250,a\n1500,b\n", {}, [0.25, 1.5]),
        ("key,time\n", {"unit": "s"}, None),
        ("timestamp,key\n1700000000,a\n1700000060,b\n", {}, [1_700_000_000, 1_700_000_060]),
        ("timestamp,key\n1700000000123,a\n1700000000456,b\n", {}, [1_700_000_000.123, 1_700_000_000.456]),
        ("time,key\n5,a\n60,b\n", {"unit": "s"}, [5, 60]),
        ("time,key\n5,a\n60,b\n", {"unit": "ms"}, [0.005, 0.06]),
        ("time,key\n7,a\n7,b\n7,a\n", {}, [7, 7, 7]),
        ("time,key\n7,a\n", {}, [7]),
        ("time,key\n1700000000123,a\n", {}, [1_700_000_000.123]),
        ("time_s,key\n1.5,a\n0.5,b\n", {"sort": True}, [0.5, 1.5]),
        ("\ufefftime_s,key\r\n0.25,a\r\n1.5,b\r\n\r\n\r\n", {}, [0.25, 1.5]),
        ("op,key,time_s\n", {}, None),
        ("time_s,key,op,client\n0.5,a,get,10.0.0.1\n", {}, [0.5]),
    ],
)
def test_times_come_back_in_seconds(
    tmp_path: Path, text: str, options: dict[str, Any], times: list[float] | None
) -> None:
    """Seconds and milliseconds, with and without a head line, come back in seconds, one event alone too."""
    path = tmp_path / "trace.csv"
    path.write_text(text, encoding="utf-8")
    if times is None:
        with pytest.raises(ValueError, match=r"has no event|must have the columns"):
            examine(path, **options)
    else:
        np.testing.assert_array_equal(examine(path, **options).trace.times, times)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("time,key\n1,a\n2,b\n", "may be seconds or milliseconds: give the unit"),
        (
            "time,key\n0.5,a\n1800000.25,b\n",
            r"0\.5 to 1800000\.25, may be seconds or milliseconds: give the unit \(--unit\)",
        ),
        ("1700000000,a\n1700000000123,b\n", "times in seconds and in milliseconds"),
        ("0,a\n5000000000.5,b\n", r"0 to 5000000000\.5, may be seconds or milliseconds"),
        ("time_s,key\n0.5,a\n0.2,b\n", "line 3, is earlier than the one above it"),
        ("time,key\n0.5,a\n-1,b\n", "line 3, has a negative time: '-1'"),
        ("time,key\n0.5,a\n,b\n", "line 3, has no time that is a number, nor one like 2026-11-28T10:00:00Z: ''"),
        ("0.5,a\nsoon,b\n", "line 2, has no time that is a number, nor one like 2026-11-28T10:00:00Z: 'soon'"),
        ("time,key\n0.5,a\ninf,b\n", "line 3, has no time that is a number, nor one like 2026-11-28T10:00:00Z: 'inf'"),
        ("time,key\n0.5,a\n1e300,b\n", "line 3, has a time that is too late"),
        ("time_s,key\n0.5,a\n9e9,b\n", "line 3, has a time that is no number of s since 1970"),
        ("time_ms,key\n1700000000,a\n1700000000123,b\n", "line 3, counts its time from elsewhere, or in another unit"),
        ("time_s,key\n5,a\n1700000000,b\n", "line 3, counts its time from elsewhere"),
        ("time,key\n0.5,\n", "line 2, has no key"),
        ("time,key\n0.5,a\n1.5\n", "line 3, has no key"),
        ("time,key\n0.5,a\n\n1.5,b\n", "line 3, has no key"),
        ("time_s,key,op\n0.5,a,jump\n", "line 2, has an op that is neither read nor invalidate: 'jump'"),
        ("time,key\n", "has no event in it"),
        ("time,name\n1,a\n", "must have the columns time,key"),
        (
            "just words\n",
            "must have the columns time,key or time,key,op, with commas between; its first line is 'just words'",
        ),
        ("time_s,key,op,cmd\n0,a,get,GET\n", "has columns that mean the same, op, cmd: rename all but one"),
        ("time_s,timestamp,key\n0,0,a\n", "has columns that mean the same, time_s, timestamp: rename all but one"),
        ("time,key\n1.5,a\n2.5,b,c,d\n", "cannot be read as CSV"),
        ("time_s,key\n1,a,delete\n2,b,delete\n", "cannot be read as CSV: line 2 has more columns than the first, 2"),
    ],
)
def test_a_line_without_sense_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    """Times that are unsorted, negative, missing, huge, mixed or ambiguous, and lines without a key, are refused."""
    path = tmp_path / "trace.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=sentence):
        examine(path)


@pytest.mark.parametrize(("named", "given"), [("s", "ms"), ("ms", "s")])
def test_a_unit_that_the_column_contradicts_is_refused(tmp_path: Path, named: Any, given: Any) -> None:
    """What a column's name says is not overridden in silence; saying the same is no fault."""
    path = tmp_path / "trace.csv"
    path.write_text(f"time_{named},key\n1000,a\n2000,a\n")
    with pytest.raises(ValueError, match=f"names its times as {named}, but the unit that was given is {given}"):
        examine(path, unit=given)
    assert examine(path, unit=named).trace.digest == examine(path).trace.digest


def test_operations_are_reads_or_withdrawals(tmp_path: Path) -> None:
    """The words of common traces for reads and for changes of the data are understood, an empty one is a read."""
    words = [*sorted(READS), *sorted(WITHDRAWALS), "", "GET"]
    path = tmp_path / "trace.csv"
    path.write_text("time_s,key,op\n" + "".join(f"{at},NA,{word}\n" for at, word in enumerate(words)))
    trace, notes = examine(path)
    assert trace.key_names == ("NA",)
    assert trace.operation_names == ["read"] * len(READS) + ["invalidate"] * len(WITHDRAWALS) + ["read"] * 2
    assert notes == ()


@pytest.mark.parametrize("name", ["op", "operation", "Command", '"cmd"'])
def test_what_was_done_may_be_called_otherwise(tmp_path: Path, name: str) -> None:
    """The column of what was done may have any of its usual names, quoted or not, before or after the others."""
    path = tmp_path / "trace.csv"
    path.write_text(f"time_s,key,{name}\n0,a,get\n1,a,del\n")
    assert examine(path).notes == ()
    assert examine(path).trace.operation_names == ["read", "invalidate"]
    path.write_text(f"{name},key,time_s\nget,a,0\ndel,a,1\n")
    assert examine(path).trace.operation_names == ["read", "invalidate"]


@pytest.mark.parametrize(
    ("text", "ignored"),
    [
        ("Client,time_s,key,x,x\nc,0,a,1,2\n", "Client, x, x"),
        ("0,a,get,10.0.0.1,12\n", "number 4, number 5"),
    ],
)
def test_columns_that_are_ignored_are_named(tmp_path: Path, text: str, ignored: str) -> None:
    """Whatever else a file has is named in a note, wherever it stands: perhaps it was to say what was done."""
    path = tmp_path / "trace.csv"
    path.write_text(text)
    trace, notes = examine(path)
    assert (trace.times.tolist(), trace.keys) == ([0], ["a"])
    assert notes == (f"columns that were ignored: {ignored}",)


@pytest.mark.parametrize(
    ("writes", "operations", "told"),
    [
        ("fills", ["read", "read"], ["left out: 1 set, 1 add"]),
        ("changes", ["read", "invalidate", "read"], ["left out: 1 add", "taken for changes of the data: 1 set"]),
    ],
)
def test_writes_are_what_they_are_said_to_be(
    tmp_path: Path, writes: Any, operations: list[str], told: list[str]
) -> None:
    """A set is a fill or a change as the caller says, an add always a fill, an expire no change; how many is noted."""
    path = tmp_path / "trace.csv"
    path.write_text("time_s,key,op\n0,a,get\n1,a,SET\n2,a,add\n3,a,expire\n4,a,get\n")
    trace, notes = examine(path, writes=writes)
    assert trace.operation_names == operations
    assert (trace.times[0], trace.times[-1]) == (0, 4)
    assert [end for note, end in zip(notes, told, strict=False) if note.endswith(end)] == told
    assert notes[len(told) :] == ("1 expire were left out: until when an entry is kept is no change of the data",)


@pytest.mark.parametrize("word", sorted(WRITES))
def test_writes_that_may_be_either_are_asked_for(tmp_path: Path, word: str) -> None:
    """Nothing is made of a write before it was said what writes are; what can be one thing only needs no word."""
    path = tmp_path / "trace.csv"
    path.write_text(f"time_s,key,op\n0,a,get\n1,a,{word}\n")
    with pytest.raises(
        ValueError, match=rf"has writes \(1 {word}\) that may be the fills that follow misses, or changes"
    ):
        examine(path)
    path.write_text("time_s,key,op\n0,a,get\n" + "".join(f"1,a,{sure}\n" for sure in FILLS | NO_CHANGES))
    assert examine(path).trace.operation_names == ["read"]


def test_how_the_unit_was_told_is_noted(tmp_path: Path) -> None:
    """A unit that neither the caller nor the head line gave is noted."""
    path = tmp_path / "trace.csv"
    path.write_text("1700000000.5,a\n1700000001.5,b\n")
    assert examine(path).notes == ("times were taken for seconds since 1970",)
    assert examine(path, unit="s").notes == ()


def test_dates_with_times_are_moments(tmp_path: Path) -> None:
    """ISO 8601, in UTC or with an offset, is read as the moments that it names; one date among numbers is refused."""
    path = tmp_path / "trace.csv"
    path.write_text("time,key\n2026-11-28T10:00:00Z,a\n2026-11-28T11:00:01.5+01:00,a\n2026-11-28 10:00:03,b\n")
    assert examine(path).trace.times.tolist() == [1795860000.0, 1795860001.5, 1795860003.0]
    path.write_text("time_s,key\n1,a\n2026-11-28T10:00:00Z,a\n")
    with pytest.raises(ValueError, match="line 3, has no time that is a number"):
        examine(path)
