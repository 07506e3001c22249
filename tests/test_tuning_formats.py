"""Reading a trace, whatever wrote it: what is right comes back, what makes no sense is one clear sentence."""

import logging
from pathlib import Path

import pytest

from dousell_cache.events import Read
from dousell_cache.tuning.formats import examine, read_trace
from dousell_cache.tuning.recorder import Recorder

MONITOR = """OK
1339518083.107412 [0 127.0.0.1:60866] "get" "a"
1339518087.877697 [0 127.0.0.1:60866] "set" "a" "a \\"quoted\\" value" "EX" "60"
"""


def test_a_file_is_known_by_what_is_in_it(tmp_path: Path) -> None:
    """Recordings, foreign CSV and MONITOR's output are told apart by their content, whatever they are called."""
    with Recorder(tmp_path / "folder") as recorder:
        recorder(Read("a:1", "hit", 0.0, 0.0, 1))
    (recording,) = (tmp_path / "folder").iterdir()
    for name, text in (
        ("recording.txt", recording.read_text()),
        ("foreign.log", "time_s,key\n1,a\n"),
        ("m.csv", MONITOR),
    ):
        (tmp_path / name).write_text(text)
        assert read_trace(tmp_path / name, writes="fills").reads == 1


def test_what_was_left_out_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each note on a trace is logged by read_trace, with the file it is about."""
    path = tmp_path / "m"
    path.write_text(MONITOR)
    with caplog.at_level(logging.WARNING):
        read_trace(path, writes="fills")
    notes = examine(path, writes="fills").notes
    assert [record.getMessage() for record in caplog.records] == [f"{path}: {note}" for note in notes]
    assert "left out: 1 SET" in caplog.text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "there is no trace at"),
        ("", "is empty"),
        ("\n", "must have the columns time,key or time,key,op"),
        ("#dousell-cache-trace,version=9,secret=a,sample=1\n", "is no recording of this package"),
    ],
)
def test_a_file_that_is_no_trace_is_refused(tmp_path: Path, text: str | None, sentence: str) -> None:
    """What cannot be a trace is refused in one sentence."""
    path = tmp_path / "trace"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=sentence):
        read_trace(path)


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    """A folder in which nothing was recorded is refused, and so are a unit and a kind of writes that are none."""
    with pytest.raises(ValueError, match="there is no recording in"):
        read_trace(tmp_path)
    with pytest.raises(ValueError, match="unit must be 's' or 'ms', not 'minutes'"):
        read_trace(tmp_path, unit="minutes")  # type: ignore[arg-type]  # what a caller may write
    with pytest.raises(ValueError, match="writes must be 'fills' or 'changes', not 'both'"):
        read_trace(tmp_path, writes="both")  # type: ignore[arg-type]  # likewise
