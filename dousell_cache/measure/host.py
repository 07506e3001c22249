"""Which machine measured: told apart from others by a hash, never by a name or a path; and what others took of it."""

import hashlib
import os
import platform
import re
import uuid
from pathlib import Path
from typing import NamedTuple

_MACHINE_IDS = ("/etc/machine-id", "/var/lib/dbus/machine-id")
_SALT = b"dousell_cache: which machine measured"
_LETTERS = 12  # 48 bits: two of a team's machines share them once in a hundred million teams
_TICKS = 8  # user, nice, system, idle, iowait, irq, softirq, steal; what follows is part of the first two


def identity() -> str:
    """Return what tells this machine from others: 12 hexadecimal digits, the same at every call and every start.

    It is a salted hash of the machine id and the processor, since a machine id should not leave its machine as it is
    (machine-id(5)). Without one, the network's name and hardware address stand in for it. Machines made of one image
    share theirs and are told apart by their processors alone; functions of a cloud cannot be told apart reliably.
    """
    facts = "\n".join((_machine_id(), processor(), str(os.cpu_count()), platform.machine()))
    return hashlib.sha256(_SALT + facts.encode()).hexdigest()[:_LETTERS]


def processor() -> str:
    """Name the processor, as far as the system tells."""
    named = re.search(r"^model name\s*:\s*(.+)$", _text("/proc/cpuinfo"), re.MULTILINE)
    return named[1].strip() if named else platform.processor() or "unknown processor"


class Ticks(NamedTuple):
    """The processor time that went by so far, in the kernel's ticks; both zero where it cannot be known."""

    total: int = 0
    stolen: int = 0

    def stolen_until(self, later: "Ticks") -> float | None:
        """Return the share of processor time that other virtual machines took between two readings; None if unknown."""
        total = later.total - self.total
        return (later.stolen - self.stolen) / total if total > 0 else None


def ticks() -> Ticks:
    """Read the machine's own account of its time (proc_stat(5)); zeros where there is none."""
    return read_ticks(_text("/proc/stat"))


def read_ticks(text: str) -> Ticks:
    """Return what the first line of ``/proc/stat`` says."""
    label, *counts = text.partition("\n")[0].split() or [""]
    spent = [int(count) for count in counts[:_TICKS] if count.isdecimal()]
    return Ticks(sum(spent), spent[-1]) if label == "cpu" and len(spent) == _TICKS else Ticks()


def _machine_id() -> str:
    told = (_text(path).strip() for path in _MACHINE_IDS)
    return next(filter(None, told), f"{platform.node()} {uuid.getnode():x}")


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", errors="replace")
    except OSError:
        return ""
