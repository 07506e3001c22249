"""The machine under the figures: which core does what, who else is at work, and what it is.

Pinning decides figures taken over loopback: waking a process on another core of a virtual machine costs more than a
read of 1 KB. Left to the scheduler, that cost comes and goes at random.
"""

import os
import platform
import re
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

MOST_STOLEN = 0.02
MOST_OTHERS = 0.10
_FIELDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")


def cores() -> Sequence[int]:
    """Return the cores that this process may use; none where the system cannot say, nor pin (all but Linux)."""
    return sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []


def pin(process: int, where: Iterable[int]) -> None:
    """Tie every thread of a process to these cores; those it starts later follow. Does nothing where it cannot."""
    allowed = set(where)
    if sys.platform != "linux" or not allowed:
        return
    for thread in Path(f"/proc/{process}/task").iterdir():
        with suppress(ProcessLookupError):  # a thread may end meanwhile
            os.sched_setaffinity(int(thread.name), allowed)


@dataclass(frozen=True)
class Noise:
    """What others took of the machine's processor time during a round, as shares of all of it.

    Args:
        stolen: by other virtual machines.
        others: by processes that are not the benchmark's.
    """

    stolen: float = 0.0
    others: float = 0.0

    @property
    def disturbed(self) -> bool:
        """Whether that is enough to move a figure."""
        return self.stolen > MOST_STOLEN or self.others > MOST_OTHERS


@dataclass(frozen=True)
class Ticks:
    """The processor time spent so far, in the kernel's ticks; all zero where it cannot be known."""

    total: int = 0
    busy: int = 0
    stolen: int = 0
    ours: int = 0

    @classmethod
    def now(cls, processes: Iterable[int]) -> Self:
        """Read the clock of the machine and of our own processes."""
        if sys.platform != "linux":
            return cls()
        values = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        spent = dict(zip(_FIELDS, map(int, values), strict=False))
        total = sum(spent.values())
        idle = spent["idle"] + spent["iowait"] + spent["steal"]
        return cls(total, total - idle, spent["steal"], sum(map(_process_ticks, [os.getpid(), *processes])))

    def until(self, later: "Ticks") -> Noise:
        """Return what others took between two readings."""
        total = later.total - self.total
        if not total:
            return Noise()
        others = (later.busy - self.busy) - (later.ours - self.ours)
        return Noise((later.stolen - self.stolen) / total, max(0.0, others / total))


def _process_ticks(process: int) -> int:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def processor() -> str:
    """Name the processor, as far as the system tells."""
    told = Path("/proc/cpuinfo").read_text() if sys.platform == "linux" else ""
    named = re.search(r"^model name\s*:\s*(.+)$", told, re.MULTILINE)
    return named[1].strip() if named else platform.processor() or "unknown processor"
