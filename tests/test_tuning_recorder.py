"""The recorder: every event of a real cache reaches the disk, and no trouble with the disk reaches a caller."""

import json
import logging
import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest

from dousell_cache import ConfigurationError, connect
from dousell_cache.errors import installing
from dousell_cache.events import Event, Invalidation, Read
from dousell_cache.tuning.files import Files
from dousell_cache.tuning.formats import examine, read_trace
from dousell_cache.tuning.recorder import SECRET_VARIABLE, Recorded, Recorder
from dousell_cache.tuning.trace import OUTCOMES

from .faces import Face, Loader

if TYPE_CHECKING:
    pass

HIT = Read("detail:7", "hit", 0.0, 0.0, 1)
SECRET = "a secret of these tests"


def names(folder: Path) -> list[str]:
    """Return the ends of the names of the files in a folder."""
    return sorted("".join(path.suffixes[-2:] if ".part" in path.suffixes else path.suffix) for path in folder.iterdir())


@pytest.mark.parametrize("format_", ["csv", "parquet"])
async def test_a_real_cache_is_recorded(face: Face, tmp_path: Path, format_: Any) -> None:
    """Reads with outcome, load time and size, and withdrawals by key, tag and prefix, come back as a trace."""
    with Recorder(tmp_path, format=format_) as recorder:
        face.cache.subscribe(recorder)
        for key in ("detail:7", "detail:7", "detail:8", "search:Dakar"):
            await face.get_or_set(key, Loader("x"), ttl=60, tags=["city:Dakar"])
        await face.invalidate("detail:7")
        await face.invalidate_tags("city:Dakar")
        await face.invalidate_prefix("detail:")
        await face.get_or_set("detail:7", Loader("x"), ttl=60)
    trace, notes = examine(tmp_path)
    assert names(tmp_path) == [f".{format_}"]
    assert notes == ()
    told = list(
        zip(
            trace.operation_names, [trace.family_names[trace.family_codes[key]] for key in trace.key_codes], strict=True
        )
    )
    assert told[:5] == [("read", "detail")] * 3 + [("read", "search"), ("invalidate", "detail")]
    assert Counter(told[5:8]) == {("invalidate", "detail"): 2, ("invalidate", "search"): 1}
    assert told[8:] == [("invalidate", "detail")] * 2 + [("read", "detail")]
    assert trace.outcomes is not None
    assert trace.sizes is not None
    assert [OUTCOMES[code] for code in trace.outcomes[:4]] == ["miss", "hit", "miss", "miss"]
    assert trace.sizes[:4].min() > 0


def test_nothing_in_a_file_names_a_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither keys, nor tags, nor the secret are in what is written, in a repr or in the log."""
    with Recorder(tmp_path, secret=SECRET) as recorder:
        recorder(Read("detail:awa@example.sn", "miss", 0.1, 0.1, 3, tags=("tenant:awa",)))
    written = "".join(path.read_text() for path in tmp_path.iterdir())
    assert "detail" in written
    assert [word for word in ("awa", SECRET) if word in written + repr(recorder) + caplog.text] == []


def test_equal_secrets_give_equal_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recordings made with one secret, given or from the environment, share their keys; others are not mixed."""
    for options in ({"secret": SECRET}, {}):
        monkeypatch.setenv(SECRET_VARIABLE, SECRET)
        with Recorder(tmp_path, **options) as recorder:  # type: ignore[arg-type]  # options by name
            recorder(HIT)
    assert len(read_trace(tmp_path).key_names) == 1
    monkeypatch.delenv(SECRET_VARIABLE)
    with Recorder(tmp_path) as recorder:
        recorder(HIT)
    with pytest.raises(ValueError, match="different secrets, so that one key has two names"):
        read_trace(tmp_path)


def test_files_are_finished_by_size_and_the_oldest_go(tmp_path: Path) -> None:
    """A file longer than its limit is finished, and only so many stay; what a reader finds has no gap in it."""
    files = Files(tmp_path, b"", "csv", rotate_bytes=10, rotate_seconds=60, keep=2)
    for number in range(5):
        files.append(b"eleven chars"[:11] + str(number).encode())
        files.finish_if_due()
    assert [path.read_bytes()[-1:] for path in sorted(tmp_path.iterdir())] == [b"3", b"4"]


def test_a_file_is_finished_by_age(tmp_path: Path) -> None:
    """A file older than its limit is finished, however short."""
    files = Files(tmp_path, b"", "csv", rotate_bytes=1e6, rotate_seconds=1e-9, keep=2)
    files.append(b"x")
    files.finish_if_due()
    assert names(tmp_path) == [".csv"]


def test_a_crash_loses_only_what_waited(tmp_path: Path) -> None:
    """After a kill the file that was being written is read, a line cut off at its end included."""
    script = f"""
import os, signal
from dousell_cache.events import Read
from dousell_cache.tuning.recorder import Recorder
recorder = Recorder({str(tmp_path)!r}, format="parquet")
for _ in range(3):
    recorder(Read("a:1", "hit", 0.0, 0.0, 1))
recorder.flush()
recorder(Read("a:1", "hit", 0.0, 0.0, 1))
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", script], check=False)
    (part,) = tmp_path.iterdir()
    assert part.name.endswith(".csv.part")
    assert read_trace(tmp_path).reads == 3
    part.write_bytes(part.read_bytes()[:-5])
    assert read_trace(tmp_path).reads == 2


def test_a_disk_that_fails_reaches_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """While the disk fails, callers notice nothing and the log says so once; afterwards the recording tells the gap."""
    place = tmp_path / "recordings"
    place.write_text("a file where the folder should be")
    recorder = Recorder(place)
    for _ in range(3):
        recorder(HIT)
        recorder.flush()
    assert recorder.recorded == Recorded(events=0, lost=3, failures=3)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    place.unlink()
    recorder(HIT)
    recorder.close()
    trace, notes = examine(place)
    assert (trace.reads, notes) == (
        1,
        ("3 events are missing: the disk failed or was too slow, or they could not be named",),
    )


def test_a_family_function_that_raises_costs_one_event(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What the site's own function cannot name is lost, said once without the key, and nothing beside it is."""

    def number(key: str) -> Any:
        return {"odd": None, "lone": "\ud800"}.get(key) if ":" not in key else str(int(key.partition(":")[2]))

    with Recorder(tmp_path, family=number) as recorder:
        for key in ("detail:7", "detail:seven", "odd", "detail:eight", "lone", "detail:8"):
            recorder(Read(key, "hit", 0.0, 0.0, 1))
        recorder(Invalidation(("detail:9", "detail:nine"), True, 0.0, 1))
        recorder.flush()
    assert recorder.recorded == Recorded(events=3, lost=4, failures=0)
    assert [record.getMessage() for record in caplog.records] == [
        f"recording in {tmp_path} leaves out events that cannot be named: ValueError"
    ]
    trace, notes = examine(tmp_path)
    assert (trace.family_names, trace.operation_names) == (("7", "\\ud800", "8"), ["read"] * 3)
    assert notes == ("4 events are missing: the disk failed or was too slow, or they could not be named",)


def test_too_many_events_are_counted_as_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has no room to wait is not recorded, and the recording says how much that was."""
    monkeypatch.setattr("dousell_cache.tuning.recorder._MOST_WAITING", 2)
    monkeypatch.setattr("dousell_cache.tuning.recorder._LIVE_SECONDS", 600.0)
    with Recorder(tmp_path) as recorder:
        for _ in range(5):
            recorder(HIT)
    assert recorder.recorded == Recorded(events=2, lost=3, failures=0)
    assert examine(tmp_path).notes == (
        "3 events are missing: the disk failed or was too slow, or they could not be named",
    )


def test_threads_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events of many threads, told while the recorder writes, are all in the recording."""
    monkeypatch.setattr("dousell_cache.tuning.recorder._LIVE_SECONDS", 0.001)
    with Recorder(tmp_path) as recorder:

        def tell() -> None:
            for _ in range(2000):
                recorder(HIT)

        threads = [threading.Thread(target=tell) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (recorder.recorded.events, read_trace(tmp_path).reads) == (8000, 8000)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_writes_a_file_of_its_own(tmp_path: Path) -> None:
    """After a fork parent and child record each their own events, each once, under the same pseudonyms."""
    recorder = Recorder(tmp_path)
    recorder(HIT)
    recorder.flush()
    recorder(HIT)
    child = os.fork()
    if child == 0:
        recorder(HIT)
        recorder.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    recorder.close()
    trace = read_trace(tmp_path)
    assert (len(list(tmp_path.iterdir())), trace.reads, len(trace.key_names)) == (2, 3, 1)


def test_what_comes_after_the_end_is_ignored(tmp_path: Path) -> None:
    """A closed recorder takes nothing more, and may be closed again."""
    recorder = Recorder(tmp_path)
    recorder(HIT)
    recorder.close()
    recorder(HIT)
    recorder.close()
    assert recorder.recorded.events == 1


def test_every_event_is_written_in_the_end_without_a_close(tmp_path: Path) -> None:
    """A process that ends without closing its recorder leaves a finished file with all its events."""
    script = f"""
from dousell_cache.events import Read
from dousell_cache.tuning.recorder import Recorder
Recorder({str(tmp_path)!r})(Read("a:1", "hit", 0.0, 0.0, 1))
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    assert (names(tmp_path), read_trace(tmp_path).reads) == ([".csv"], 1)


@pytest.mark.parametrize("module", ["recorder", "experiment"])
def test_what_runs_on_the_site_loads_no_laboratory(module: str) -> None:
    """A process that records CSV, or serves an experiment, loads neither NumPy nor pandas nor pyarrow."""
    script = f"import dousell_cache.tuning.{module}, sys, json; print(json.dumps(list(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout)
    assert {"numpy", "pandas", "pyarrow"} & set(loaded) == set()


def test_parquet_without_pyarrow_says_how_to_get_it() -> None:
    """Without pyarrow a Parquet recorder is refused in one sentence, before anything is recorded."""
    script = """
import sys
sys.modules["pyarrow"] = None
from dousell_cache.tuning.recorder import Recorder
try:
    Recorder("x", format="parquet")
except ValueError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True).stdout
    assert said == f'format="parquet" needs pyarrow: take format="csv", or {installing("lab")}\n'


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"sample": 0}, "sample must be a share"),
        ({"sample": 1.5}, "sample must be a share"),
        ({"format": "json"}, "format must be 'csv' or 'parquet'"),
        ({"rotate_mb": 0}, "rotate_mb must be above 0"),
        ({"rotate_seconds": float("nan")}, "rotate_seconds must be above 0"),
        ({"keep": 0}, "keep must be a whole number"),
        ({"secret": "short"}, "secret must be 16 to 64 bytes"),
    ],
)
def test_options_without_sense_are_refused(tmp_path: Path, options: dict[str, Any], sentence: str) -> None:
    """Each option that makes no sense is refused at once, in one sentence that names it."""
    with pytest.raises(ConfigurationError, match=sentence):
        Recorder(tmp_path, **options)


def test_every_kind_of_event_may_be_told(tmp_path: Path, valkey_url: str, namespace: str) -> None:
    """Locks and breakers are no part of a trace, and nothing but reads and withdrawals comes back."""
    with connect(valkey_url, namespace=namespace, patience=5) as cache, Recorder(tmp_path) as recorder:
        cache.subscribe(recorder)
        with cache.lock("a"):
            cache.get("a")
        cache.set("a", 1, ttl=60)
    assert len(get_args(Event)) == 6
    trace, notes = examine(tmp_path)
    assert (trace.operation_names, notes[0][:20]) == (["read"], "1 writes by set were")
