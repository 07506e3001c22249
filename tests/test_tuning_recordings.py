"""Recordings of several processes as one trace: order, tags, families, samples."""

import random
from pathlib import Path

import pytest

from dousell_cache.events import Event, Invalidation, Read, family
from dousell_cache.tuning.curves import curve
from dousell_cache.tuning.files import PART
from dousell_cache.tuning.formats import examine, read_trace
from dousell_cache.tuning.pseudonyms import Pseudonyms
from dousell_cache.tuning.recordings import FEWEST_KEYS_TO_SAMPLE
from dousell_cache.tuning.rows import COLUMNS, Head, Rows

NAMES = Pseudonyms(b"the secret of these tests")


def write(folder: Path, number: int, *told: tuple[float, Event], sample: float = 1.0, end: str = ".csv") -> Path:
    """Write a recording of a process: events, each with the second at which it was told."""
    rows = Rows(NAMES, sample, family)
    lines = [",".join(row) for at, event in told for row in rows.of(at, event)]
    path = folder / f"trace-20260101T000000.000000Z-{number}{end}"
    path.write_text("\n".join([str(Head(NAMES.fingerprint, sample)), ",".join(COLUMNS), *lines]) + "\n")
    return path


def read(key: str, *tags: str) -> Read:
    """Return a hit."""
    return Read(key, "hit", 0.0, 0.0, 1, tags=tags)


def withdrawn(*keys: str, tags: tuple[str, ...] = (), prefix: str | None = None) -> Invalidation:
    """Return a withdrawal that was delivered."""
    return Invalidation(keys, True, 0.0, 1, tags, prefix)


def told(folder: Path) -> list[tuple[float, str, str]]:
    """Return times, operations and keys, those of one time in alphabetical order."""
    trace = read_trace(folder)
    plain = {NAMES.key(key): key for key in ("a:1", "a:2", "b:1")}
    keys = [plain[key] for key in trace.keys]
    return sorted(zip(trace.times.tolist(), trace.operation_names, keys, strict=True))


def test_processes_are_put_together_in_the_order_of_time(tmp_path: Path) -> None:
    """Events of two processes, one of them still writing, come in the order in which they began."""
    write(tmp_path, 1, (1.0, read("a:1")), (3.0, read("a:1")))
    write(tmp_path, 2, (2.0, read("a:1")), (4.0, withdrawn("a:1")), end=PART)
    trace = read_trace(tmp_path)
    assert (trace.times.tolist(), trace.operation_names) == ([1, 2, 3, 4], ["read"] * 3 + ["invalidate"])
    assert len(trace.key_names) == 1


def test_a_tag_withdraws_what_another_process_read(tmp_path: Path) -> None:
    """A tag that one process withdraws concerns the keys that carried it last, whoever read them, and no others."""
    write(
        tmp_path, 1, (1.0, read("a:1", "t")), (1.0, read("a:2", "t")), (1.0, read("b:1", "u")), (3.0, read("a:2", "u"))
    )
    write(tmp_path, 2, (2.0, withdrawn(tags=("t",))), (4.0, withdrawn(tags=("t", "nobody's"))), (5.0, read("a:1")))
    assert [event for event in told(tmp_path) if event[1] == "invalidate"] == [
        (2.0, "invalidate", "a:1"),
        (2.0, "invalidate", "a:2"),
        (4.0, "invalidate", "a:1"),
    ]


def test_a_family_is_withdrawn_as_far_as_it_was_met(tmp_path: Path) -> None:
    """A prefix that is a family concerns its keys that any process had met before, and no others."""
    write(tmp_path, 1, (1.0, read("a:1")), (1.0, read("b:1")), (3.0, read("a:2")))
    write(tmp_path, 2, (2.0, withdrawn(prefix="a:")))
    assert [event for event in told(tmp_path) if event[1] == "invalidate"] == [(2.0, "invalidate", "a:1")]


@pytest.mark.parametrize("reader", [1, 2])
@pytest.mark.parametrize("withdrawer", [1, 2])
def test_a_family_without_room_is_withdrawn_all_the_same(tmp_path: Path, reader: int, withdrawer: int) -> None:
    """Whether the process that reads a family, the one that withdraws it, both or neither had met a thousand others."""
    others = [(0.0, read(f"other{number}:1")) for number in range(1000)]
    events: dict[int, list[tuple[float, Event]]] = {1: [*others], 2: []}
    events[reader] += [(1.0, read("a:1")), (1.0, read("other:1")), (3.0, read("a:2"))]
    events[withdrawer] += [(2.0, withdrawn(prefix="a:"))]
    for number, one in events.items():
        write(tmp_path, number, *sorted(one, key=lambda event: event[0]))
    trace = read_trace(tmp_path)
    withdrawals = [key for key, what in zip(trace.keys, trace.operation_names, strict=True) if what == "invalidate"]
    assert withdrawals == [NAMES.key("a:1")]
    assert len(trace.family_names) == 1001 + (reader == 2)  # a and other share one, or have one each


def test_a_withdrawal_is_one_command_whatever_it_withdraws(tmp_path: Path) -> None:
    """A tag of two keys, and a call for two keys, cost a command each, beside a look a read and two a load."""
    reads = [(at, read(key, "t")) for at in (1.0, 3.0, 5.0) for key in ("a:1", "a:2")]
    write(tmp_path, 1, *reads, (2.0, withdrawn(tags=("t",))), (4.0, withdrawn("a:1", "a:2")))
    played = curve(read_trace(tmp_path), [60])
    assert (played.changes, played.origin_calls[0]) == (4, 6)
    assert played.commands[0] == 6 + 2 * 6 + 2


def test_tags_are_resolved_as_one_by_one(tmp_path: Path) -> None:
    """On random recordings the resolved withdrawals are those of a plain walk through the events in order."""
    chance = random.Random(5)
    expected, tags_of, events = [], dict[str, tuple[str, ...]](), list[tuple[float, Event]]()
    for at in range(1, 400):
        key = chance.choice(("a:1", "a:2", "b:1"))
        if chance.random() < 0.7:
            tags = tuple(sorted(chance.sample("tuv", chance.randrange(3))))
            tags_of[key] = tags or tags_of.get(key, ())
            events.append((float(at), read(key, *tags)))
        else:
            tag = chance.choice("tuv")
            events.append((float(at), withdrawn(tags=(tag,))))
            expected += [(float(at), "invalidate", key) for key, tags in sorted(tags_of.items()) if tag in tags]
    write(tmp_path, 1, *events[::2])
    write(tmp_path, 2, *events[1::2])
    assert [event for event in told(tmp_path) if event[1] == "invalidate"] == expected


def test_a_sample_of_few_keys_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below 100,000 keys a sample is refused unless it is asked for; from there on it is taken, and noted."""
    few = [(1.0, read(f"a:{number}")) for number in range(1000)]
    write(tmp_path, 1, *few, sample=0.5)
    with pytest.raises(ValueError, match=r"a sample of 0\.5 of about [0-9,]+ keys says little"):
        read_trace(tmp_path)
    trace, notes = examine(tmp_path, allow_sample=True)
    assert 400 < trace.reads < 600
    assert notes[0].startswith("a sample of 0.5 of about")
    assert trace.share == 0.5
    assert FEWEST_KEYS_TO_SAMPLE == 100_000
    monkeypatch.setattr("dousell_cache.tuning.recordings.FEWEST_KEYS_TO_SAMPLE", 900)
    assert read_trace(tmp_path).reads == trace.reads


def test_samples_of_two_sizes_are_not_mixed(tmp_path: Path) -> None:
    """Recordings of different samples have different keys, so they are no one trace."""
    write(tmp_path, 1, (1.0, read("a:1")))
    write(tmp_path, 2, (1.0, read("a:1")), sample=0.5)
    with pytest.raises(ValueError, match=r"has a sample of 1 of the keys, .* one of 0\.5"):
        read_trace(tmp_path)


def test_a_recording_without_events_is_an_empty_trace(tmp_path: Path) -> None:
    """A process that was asked nothing leaves a recording with nothing in it."""
    write(tmp_path, 1)
    assert len(read_trace(tmp_path)) == 0


def test_a_file_finished_meanwhile_is_read_once(tmp_path: Path) -> None:
    """Between its two names, a file finished as Parquet is read once."""
    path = write(tmp_path, 1, (1.0, read("a:1")), end=PART)
    from dousell_cache.tuning.tables import read_table, write_parquet

    write_parquet(*read_table(path), tmp_path / path.name.replace(PART, ".parquet"))
    assert read_trace(tmp_path).reads == 1
    path.unlink()
    assert read_table(path)[1].num_rows == 1
