"""Three environments at once, again and again: is every run complete, and is nothing left of it?

``python -m benchmarks.parallel --runs 20``: each run is a process of its own, as cron would start it, and goes through
the connection test of ``local``, ``vercel`` (the emulator) and ``dedicated`` (a Valkey) at the same time.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from dousell_cache import local

ENVIRONMENTS = ("local", "vercel", "dedicated")


def main() -> int:
    """Make the runs, print what became of each, and return 1 when one was not complete."""
    parser = argparse.ArgumentParser(description="Run reports of three environments in parallel.")
    parser.add_argument("--runs", type=int, default=20, help="how many; default %(default)s")
    runs = parser.parse_args().runs
    with local.cloud() as servers, tempfile.TemporaryDirectory(prefix="dp-") as scratch:
        complete = sum(_one(number, servers.valkey_url, Path(scratch)) for number in range(runs))
    print(f"{complete} of {runs} complete")
    return int(complete < runs)


def _one(number: int, url: str, scratch: Path) -> bool:
    asked = [
        "--env",
        ",".join(ENVIRONMENTS),
        "--notebook",
        "00",
        "--parallel",
        "--json",
        "--out",
        str(scratch / "runs"),
    ]
    temporary = scratch / f"t{number}"
    temporary.mkdir()
    environ = {**os.environ, "REDIS_URL": url, "TMPDIR": str(temporary)}
    command = [sys.executable, "-m", "dousell_cache.cli", "report", *asked]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    statuses = _statuses(json.loads(done.stdout)) if done.stdout else {}
    left = [path.name for path in temporary.iterdir()] + _processes(temporary)
    good = done.returncode == 0 and statuses == dict.fromkeys(ENVIRONMENTS, "ok") and not left and not done.stderr
    print(f"{number + 1}: exit code {done.returncode}, {statuses}, left behind: {left or 'nothing'} {done.stderr}")
    return good


def _statuses(results: dict[str, Any]) -> dict[str, str]:
    return {name: part["status"] for name, part in results["environments"].items()}


def _processes(folder: Path) -> list[str]:
    """Return the processes whose command line names a folder."""
    found = []
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = cmdline.read_bytes()
        except OSError:
            continue
        if os.fsencode(folder) in command:
            found.append(command.replace(b"\0", b" ").decode(errors="replace"))
    return found


if __name__ == "__main__":
    sys.exit(main())
