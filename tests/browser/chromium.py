"""A real Chromium for the tests: the system's own, driven by playwright-core from npm, which downloads no browser."""

import fcntl
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


class Look(NamedTuple):
    """What a browser found on a page.

    Args:
        requests: addresses that it asked for, the page itself and ``data:`` left out.
        errors: what it wrote to its console as an error or a warning.
        overflow: by how many pixels the page is wider than its window.
        violations: of axe's rules.
        value: what the script returned.
    """

    requests: list[str]
    errors: list[str]
    overflow: int
    violations: list[dict[str, Any]]
    value: Any


class Chromium:
    """A browser that looks at pages.

    Args:
        driver: the process of ``look.mjs``.
    """

    def __init__(self, driver: "subprocess.Popen[str]") -> None:
        self._driver = driver

    def look(self, page: Path, **asked: object) -> Look:
        """Open a page and say what is found.

        Args:
            page: its file.
            asked: ``width`` (1280) and ``height`` (900) of the window, ``scheme`` (light or dark), ``media`` (screen or
                print), ``script`` (JavaScript to evaluate before everything is unfolded), ``axe`` (whether to ask it).
        """
        assert self._driver.stdin
        assert self._driver.stdout
        self._driver.stdin.write(f"{json.dumps({'url': page.resolve().as_uri(), **asked})}\n")
        self._driver.stdin.flush()
        answer = json.loads(self._driver.stdout.readline() or '{"failed": "the driver ended, see its last words"}')
        assert "failed" not in answer, answer["failed"]
        return Look(**answer)


@contextmanager
def chromium() -> Iterator[Chromium]:
    """Yield a browser that ends with the block."""
    binary = next(filter(None, map(shutil.which, NAMES)), None)
    node = shutil.which("node")
    assert binary, f"the page tests want a Chromium, called one of {', '.join(NAMES)}: apt install chromium"
    assert node, "the page tests want node and npm: apt install npm"
    _installed()
    command = [node, str(HERE / "look.mjs"), binary]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as driver:
        try:
            yield Chromium(driver)
        finally:
            assert driver.stdin
            driver.stdin.close()


def _installed() -> None:
    """Install what the lock file says, once, whoever asks at the same time."""
    lock, there = HERE / "package-lock.json", HERE / "node_modules" / ".package-lock.json"
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not there.is_file() or there.stat().st_mtime < lock.stat().st_mtime:
            npm = shutil.which("npm")
            assert npm, "the page tests want npm: apt install npm"
            subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=HERE, check=True)
