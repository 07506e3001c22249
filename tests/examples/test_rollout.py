"""The roll-out's checklist: its items are the page's, and an exit code ticks them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from examples import rollout

PAGE = rollout.PAGE.read_text("utf-8")
LIST = """
## Week 1: foundation

```sh
true       # it stands
exit 3     # it falls
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
    """What ends with 0 is ticked; what does not is shown with its command, and the whole then ends with 1."""
    (tmp_path / "list.md").write_text(LIST)
    monkeypatch.setattr(rollout, "PAGE", tmp_path / "list.md")
    assert rollout.main([]) == 1
    assert capsys.readouterr().out == "[x] 1: it stands\n[ ] 1: it falls\n      exit 3\n"
    assert rollout.main(["2"]) == 0


def test_the_first_items_are_ticked_here(valkey_url: str) -> None:
    """With a cache that is there, the connection test, the audit and the import of the core are ticked."""
    bin_folder = str(Path(sys.executable).parent)
    quick = [item for item in rollout.items(PAGE) if item.week == "1" and not re.search("prove|report", item.command)]
    path = {"PATH": f"{bin_folder}:/usr/bin:/bin", "REDIS_URL": valkey_url}
    ends = [subprocess.run(["sh", "-c", item.command], env=path, capture_output=True, check=False) for item in quick]
    assert [end.returncode for end in ends] == [0] * len(quick), [end.stderr for end in ends]
