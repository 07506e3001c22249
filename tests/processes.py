"""What runs on this machine, read without a tool that a slim system may lack."""

import os
import subprocess
from pathlib import Path
from typing import NamedTuple


class Process(NamedTuple):
    """A process: its parent, and its command line."""

    parent: int
    command: str


def running() -> dict[int, Process]:
    """List the processes of this machine by id."""
    if Path("/proc/self/stat").exists():
        pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        return {pid: process for pid in pids if (process := _read(pid))}
    listing = subprocess.run(["/bin/ps", "axww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(maxsplit=2) for line in listing.stdout.splitlines()]
    return {int(pid): Process(int(parent), command) for pid, parent, command in rows}


def gone(pid: int) -> bool:
    """Tell whether a process has ended, reaped or not."""
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat")
        return stat.exists() and _fields(stat)[0] == "Z"
    except (ProcessLookupError, FileNotFoundError):
        return True


def _read(pid: int) -> Process | None:
    folder = Path(f"/proc/{pid}")
    try:
        command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return Process(int(_fields(folder / "stat")[1]), command)
    except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
        return None


def _fields(stat: Path) -> list[str]:
    return stat.read_text().rpartition(")")[2].split()  # state, parent, …: the name before may hold anything
