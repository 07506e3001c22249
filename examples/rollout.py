"""Tick the roll-out's checklist: run each command of docs/guide/rollout.md, one after the other.

python examples/rollout.py            # every week
python examples/rollout.py 1          # the first
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parents[1] / "docs" / "guide" / "rollout.md"
_WEEK = re.compile(r"^## Week (\d): (.*?)$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Item(NamedTuple):
    """A thing to be ticked: what it says, and the command whose exit code 0 says that it is so."""

    week: str
    text: str
    command: str

    def holds(self) -> bool:
        """Run the command; tell whether it ended well."""
        done = subprocess.run(["/bin/sh", "-c", self.command], capture_output=True, check=False)
        return done.returncode == 0


def items(page: str) -> list[Item]:
    """Return the list that the page has."""
    found = []
    for number, _, section in _WEEK.findall(page):
        for block in _BLOCK.findall(section):
            lines = [line.rpartition(" # ") for line in block.splitlines()]
            found += [Item(number, text.strip(), command.strip()) for command, _, text in lines]
    return found


def main(weeks: list[str]) -> int:
    """Print the list with its ticks; return 1 if one is missing."""
    missing = 0
    for item in items(PAGE.read_text("utf-8")):
        if weeks and item.week not in weeks:
            continue
        holds = item.holds()
        missing += not holds
        print(
            f"[{'x' if holds else ' '}] {item.week}: {item.text}",
            *([] if holds else [f"      {item.command}"]),
            sep="\n",
        )
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
