"""Which state of the code measured this."""

import subprocess
from pathlib import Path

_GIT_SECONDS = 10


def commit() -> str | None:
    """Return the commit of the repository this package is in, with ``-dirty`` after it when it has changes, or None."""
    root = Path(__file__).resolve().parents[2]
    describe = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude", "*"]
    if not (root / ".git").exists():
        return None
    try:
        said = subprocess.run(describe, capture_output=True, text=True, timeout=_GIT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return said.stdout.strip() or None
