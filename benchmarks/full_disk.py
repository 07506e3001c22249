"""A disk that is really full: a file system of 192 KiB, mounted in a user's name space, for the reports of one run.

``python -m benchmarks.full_disk``. Needs Linux whose users may have name spaces (``unshare -rm``); else it says so and
ends with 2. The run fills its disk by itself: a notebook's output does not fit.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

from dousell_cache.dousell.stand_in import kept_running

_INSIDE = (
    'mount -t tmpfs -o size=192k none "$1" && cd "$1" && shift && "$@"; code=$?; cat .*.partial/status.json; exit $code'
)
_CELL = "from IPython.display import display\nfor number in range(40):\n    display(f'{number} ' * 2000)"


def main() -> int:
    """Make the run, print how it ended, and return 1 unless its status is true."""
    unshare = shutil.which("unshare")
    if not unshare or subprocess.run([unshare, "-rm", "true"], check=False).returncode:
        print("no name spaces for users here")
        return 2
    with tempfile.TemporaryDirectory(prefix="df-") as scratch:
        notebook = Path(scratch, "long.ipynb")
        cells = [nbformat.v4.new_code_cell(_CELL)]  # type: ignore[no-untyped-call]  # nbformat's own
        notebook.write_text(nbformat.writes(nbformat.v4.new_notebook(cells=cells)))  # type: ignore[no-untyped-call]
        disk = Path(scratch, "disk")
        disk.mkdir()
        report = [sys.executable, "-m", "dousell_cache.cli", "report", "--env", "local", "--notebook", str(notebook)]
        inside = [unshare, "-rm", "sh", "-c", _INSIDE, "sh", str(disk), *report, "--out", "."]
        with kept_running(["local"]):  # outside: in there PostgreSQL could be given no user of its own
            done = subprocess.run(inside, capture_output=True, text=True, check=False)
    print(done.returncode, done.stderr.strip(), done.stdout)
    status = json.loads(done.stdout)
    return int((done.returncode, status["state"], status["exit_code"]) != (3, "failed", 3))


if __name__ == "__main__":
    sys.exit(main())
