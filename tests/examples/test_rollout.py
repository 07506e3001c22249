"""The roll-out's checklist: its items are the page's, and an exit code ticks them."""

import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis

from examples import rollout

if TYPE_CHECKING:
    from ..conftest import FreeValkey

PAGE = rollout.PAGE.read_text("utf-8")
PROGRAM = str(Path(sys.executable).parent / "dousell-cache")
LIST = """
## Week 1: foundation

```sh
true       # it stands
exit 3     # it falls
echo why >&2; echo because >&2; false     # it falls with a word
```
"""


def test_every_command_of_the_page_is_an_item() -> None:
    """Each line of the page's shell blocks is an item with a text; there are some in every week."""
    found = rollout.items(PAGE)
    lines = [
        line
        for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    ]
    assert len(found) == len(lines)
    assert all(item.text and item.command for item in found)
    assert {item.week for item in found} == {"1", "2", "3"}


def test_an_exit_code_ticks_an_item(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What ends with 0 is ticked; what does not is shown with its command and its last word; the whole ends with 1."""
    (tmp_path / "list.md").write_text(LIST)
    monkeypatch.setattr(rollout, "PAGE", tmp_path / "list.md")
    assert rollout.main([]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "[x] 1: it stands",
        "[ ] 1: it falls",
        "      exit 3",
        "      → exit code 3",
        "[ ] 1: it falls with a word",
        "      echo why >&2; echo because >&2; false",
        "      → because",
    ]


def test_a_week_that_there_is_not_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown week ends with 2 and one sentence; help is help."""
    assert rollout.main(["4"]) == 2
    assert capsys.readouterr() == ("", "rollout.py: there is no week 4; there are 1, 2, 3\n")
    with pytest.raises(SystemExit, match=r"^0$"):
        rollout.main(["--help"])
    assert capsys.readouterr().out.startswith("usage: rollout.py")


def test_nothing_is_ticked_where_the_command_is_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no dousell-cache, python or curl there is no tick: no check is passed by its absence."""
    for tool in ("sh", "grep", "cat"):
        (tmp_path / tool).symlink_to(shutil.which(tool) or tool)
    monkeypatch.setattr(rollout, "_environment", lambda: {"PATH": str(tmp_path), "SITE_URL": "http://127.0.0.1:1"})
    reasons = [item.reason_against() for item in rollout.items(PAGE)]
    assert [reason for reason in reasons if reason is None or "not found" not in reason] == []


def test_no_environment_need_be_activated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The programs that the commands call are those beside the Python that runs the list."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    found = rollout.Item("1", "it is ours", f'test "$(command -v dousell-cache)" = "{PROGRAM}"')
    assert found.reason_against() is None


def test_the_first_items_are_ticked_here(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a cache that is there, the connection test, the audit and the import of the core are ticked."""
    quick = [item for item in rollout.items(PAGE) if item.week == "1" and not re.search("prove|report", item.command)]
    monkeypatch.setenv("REDIS_URL", valkey_url)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert [item.reason_against() for item in quick] == [None, None, None]


def test_a_warning_of_the_server_is_no_tick(free_valkey: "FreeValkey", monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that evicts locks warns: the audit's box stays empty, and the warning is below it."""
    with redis.Redis.from_url(free_valkey.url) as client:
        client.config_set("maxmemory", "100mb")
        client.config_set("maxmemory-policy", "allkeys-lru")
    monkeypatch.setenv("REDIS_URL", free_valkey.url)
    (audit,) = (item for item in rollout.items(PAGE) if "WARN" in item.command)
    assert "allkeys-lru" in (audit.reason_against() or "")
