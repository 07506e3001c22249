"""Tick the roll-out's checklist: run each command of docs/guide/rollout.md, one after the other.

python examples/rollout.py            # every week
python examples/rollout.py 1          # the first

Exit codes: 0 every item is ticked, 1 one is not, 2 there is no such week.
"""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Sequence
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

    def reason_against(self) -> str | None:
        """Run the command; return None if it ended well, else the last that it said about it, or its exit code."""
        command = ["/bin/sh", "-c", self.command]
        done = subprocess.run(command, env=_environment(), capture_output=True, check=False)
        if done.returncode == 0:
            return None
        said = (done.stderr.strip() or done.stdout).decode(errors="replace").strip().splitlines()
        return said[-1].strip() if said else f"exit code {done.returncode}"


def items(page: str) -> list[Item]:
    """Return the list that the page has."""
    found = []
    for number, _, section in _WEEK.findall(page):
        for block in _BLOCK.findall(section):
            lines = [line.rpartition(" # ") for line in block.splitlines()]
            found += [Item(number, text.strip(), command.strip()) for command, _, text in lines]
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the list with its ticks, and under each empty box its command and what was said; return the exit code."""
    asked = _parser().parse_args(arguments).weeks
    found = items(PAGE.read_text("utf-8"))
    there = sorted({item.week for item in found})
    unknown = [week for week in asked if week not in there]
    if unknown:
        print(f"rollout.py: there is no week {unknown[0]}; there are {', '.join(there)}", file=sys.stderr)
        return 2
    reasons = [_tick(item) for item in found if item.week in (asked or there)]
    return 1 if any(reasons) else 0


def _tick(item: Item) -> str | None:
    reason = item.reason_against()
    below = [] if reason is None else [f"      {item.command}", f"      → {reason}"]
    print(f"[{' ' if below else 'x'}] {item.week}: {item.text}", *below, sep="\n", flush=True)
    return reason


def _environment() -> dict[str, str]:
    """Return the variables with this Python's own programs first, so that no environment need be activated."""
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rollout.py",
        description="Tick the roll-out's checklist: run each command of docs/guide/rollout.md.",
        epilog="Exit codes: 0 every item is ticked, 1 one is not, 2 there is no such week.",
    )
    parser.add_argument("weeks", nargs="*", metavar="WEEK", help="1, 2 or 3; default: every week")
    return parser


if __name__ == "__main__":
    sys.exit(main())
