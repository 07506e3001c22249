"""A run's folder: its own, complete under its final name, never over another."""

import errno
import re
import secrets
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Self

import pytest

from dousell_cache.errors import ConfigurationError
from dousell_cache.reporting import folder as folders
from dousell_cache.reporting.folder import ReportNotWritten, RunFolder, writing
from dousell_cache.reporting.spec import write_atomically


def test_a_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    """Until then it has a hidden name, which says that it is partial."""
    run = RunFolder(tmp_path / "new" / "reports")
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{4}", run.id)
    assert [entry.name for entry in run.out.iterdir()] == [f".{run.id}.partial"]
    (run.path / "index.html").write_text("page")
    run.complete()
    assert [entry.name for entry in run.out.iterdir()] == [run.id]
    assert (run.final / "index.html").read_text() == "page"


def test_an_id_that_exists_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a finished run nor one under way is overwritten, even within one second and with equal luck."""
    luck = iter(["aaaa", "aaaa", "aaaa", "bbbb", "aaaa", "bbbb", "cccc"])
    monkeypatch.setattr(secrets, "token_hex", lambda _: next(luck))
    monkeypatch.setattr(folders, "datetime", _Stopped)
    first = RunFolder(tmp_path)
    second = RunFolder(tmp_path)
    first.complete()
    third = RunFolder(tmp_path)
    assert [run.id[-4:] for run in (first, second, third)] == ["aaaa", "bbbb", "cccc"]
    assert len(list(tmp_path.iterdir())) == 3


class _Stopped(datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls(2026, 11, 22, 19, 30, tzinfo=tz)


@pytest.mark.parametrize("out", ["file", "file/below"])
def test_a_folder_that_cannot_be_is_refused(tmp_path: Path, out: str) -> None:
    """A file in its place is named in one sentence."""
    (tmp_path / "file").write_text("here")
    with pytest.raises(ConfigurationError, match=r"^--out .*file.* cannot be written: "):
        RunFolder(tmp_path / out)


def test_a_full_disk_is_one_sentence() -> None:
    """What the system says becomes a sentence that names the file."""
    with (
        pytest.raises(ReportNotWritten, match=r"could not be written: .*index\.html: No space left on device$"),
        writing(),
    ):
        raise OSError(errno.ENOSPC, "No space left on device", str(Path("reports", "index.html").absolute()))


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    """A failed write leaves neither half a file nor its temporary one."""
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        write_atomically(tmp_path / "taken", b"x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken"]
