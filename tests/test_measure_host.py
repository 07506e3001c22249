"""A machine is told from others by a hash that names nobody, and says what others took of it."""

import re
from pathlib import Path

import pytest

from dousell_cache.measure import host
from dousell_cache.measure.host import Ticks, identity, processor, read_ticks, ticks


def told(monkeypatch: pytest.MonkeyPatch, folder: Path, machine_id: str) -> str:
    """Return the identity of a machine with this id."""
    (folder / "machine-id").write_text(machine_id)
    monkeypatch.setattr(host, "_MACHINE_IDS", (str(folder / "absent"), str(folder / "machine-id")))
    return identity()


def test_the_same_machine_is_the_same_and_another_is_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One machine id makes one identity, another makes another, and neither can be read in it."""
    first, again, other = (told(monkeypatch, tmp_path, text) for text in ("4f2a" * 8, "4f2a" * 8, "90bd" * 8))
    assert first == again != other
    assert re.fullmatch("[0-9a-f]{12}", first)
    assert "4f2a" not in first


def test_without_a_machine_id_the_network_stands_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without an id, or with an empty one, still is the same from call to call, and tells no name."""
    assert told(monkeypatch, tmp_path, "\n") == identity()
    monkeypatch.setattr("platform.node", lambda: "another")
    assert re.fullmatch("[0-9a-f]{12}", identity())
    assert identity() != told(monkeypatch, tmp_path, "4f2a" * 8)


def test_another_processor_is_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines of one image are told apart by their processors."""
    before = identity()
    monkeypatch.setattr(host, "processor", lambda: "another")
    assert identity() != before


def test_the_processor_has_a_name() -> None:
    """There is always something to say about the processor, on one line."""
    assert processor()
    assert "\n" not in processor()


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("cpu  10 1 5 70 2 1 1 10 3 0\ncpu0 5 0 0 0\n", Ticks(100, 10)),
        ("cpu 10 1 5\n", Ticks()),
        ("intr 1 2 3 4 5 6 7 8\n", Ticks()),
        ("", Ticks()),
    ],
)
def test_the_kernels_account_is_read(text: str, read: Ticks) -> None:
    """All time, guests' being part of their users' already, and the stolen part of it; all else is unknown."""
    assert read_ticks(text) == read


def test_what_was_stolen_is_a_share_of_the_time_between() -> None:
    """Five of fifty ticks are a tenth; where nothing is known, nothing is said."""
    assert Ticks(100, 10).stolen_until(Ticks(150, 15)) == 0.1
    assert Ticks().stolen_until(Ticks()) is None
    assert ticks().total >= ticks().stolen
