"""A JupyterLab of the tests' own, on copies of the notebooks, and a real Chromium that works in it."""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from dousell_cache.local.process import free_ports

from .chromium import HERE, NAMES, _installed

_CONFIG = """
from jupyterlab.galata import configure_jupyter_server
configure_jupyter_server(c)
c.ServerApp.port = {port}
c.ServerApp.port_retries = 0
c.ServerApp.root_dir = {folder!r}
c.ServerApp.allow_root = True
c.ServerApp.open_browser = False
"""
_SECONDS = 120.0  # for JupyterLab to be there: a deadline for a laden machine, never a wait
_NO_NEWS = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}


class Ran(NamedTuple):
    """What a notebook was after all its cells were run.

    Args:
        cells: the execution count of each code cell; None for one that was not run.
        errors: what its cells raised.
        shown: its outputs, as JSON.
        stopped_ms: from the interruption to the words that say so; None for one that was not interrupted.
    """

    cells: list[int | None]
    errors: list[str]
    shown: str
    stopped_ms: float | None


class Lab:
    """A JupyterLab with a browser in it.

    Args:
        driver: the process of ``lab.mjs``.
    """

    def __init__(self, driver: "subprocess.Popen[str]") -> None:
        self._driver = driver

    def run(self, notebook: str, **asked: object) -> Ran:
        """Open a notebook, run all its cells, and say what is there.

        Args:
            notebook: its name.
            asked: ``interrupt``, whether to stop it once the live view is there; ``picture``, where to keep one.
        """
        assert self._driver.stdin
        assert self._driver.stdout
        self._driver.stdin.write(f"{json.dumps({'notebook': notebook, **asked})}\n")
        self._driver.stdin.flush()
        answer = json.loads(self._driver.stdout.readline() or '{"failed": "the driver ended, see its last words"}')
        assert "failed" not in answer, answer["failed"]
        return Ran(**answer)


@contextmanager
def jupyterlab(folder: Path, scratch: Path) -> Iterator[Lab]:
    """Yield a JupyterLab on a folder of notebooks, gone with its kernels at the end of the block."""
    binary = next(filter(None, map(shutil.which, NAMES)), None)
    assert binary, f"these tests want a Chromium, called one of {', '.join(NAMES)}: apt install chromium"
    _installed()
    (port,) = free_ports(1)
    with _server(folder, scratch, port):
        command = ["node", str(HERE / "lab.mjs"), binary, f"http://127.0.0.1:{port}"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as driver:
            try:
                yield Lab(driver)
            finally:
                assert driver.stdin
                driver.stdin.close()


@contextmanager
def _server(folder: Path, scratch: Path, port: int) -> Iterator[None]:
    config = scratch / "config" / "jupyter_server_config.py"
    (config.parent / "labconfig").mkdir(parents=True)
    (config.parent / "labconfig" / "page_config.json").write_text(json.dumps(_NO_NEWS))
    config.write_text(_CONFIG.format(port=port, folder=str(folder)))
    own = {"JUPYTER_CONFIG_DIR": str(config.parent), "JUPYTERLAB_SETTINGS_DIR": str(scratch / "settings")}
    own |= {"JUPYTERLAB_WORKSPACES_DIR": str(scratch / "workspaces"), "JUPYTER_RUNTIME_DIR": str(scratch / "runtime")}
    command = [sys.executable, "-m", "jupyterlab", f"--config={config}"]
    with (scratch / "log").open("w") as log:
        server = subprocess.Popen(command, env=os.environ | own, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + _SECONDS
        while not _answers(f"http://127.0.0.1:{port}/api"):
            assert server.poll() is None, (scratch / "log").read_text()
            assert time.monotonic() < deadline, f"JupyterLab was not there after {_SECONDS:g} s"
            time.sleep(0.1)
        yield
    finally:
        server.terminate()
        server.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url):  # noqa: S310 - our own http:// address
            return True
    except (urllib.error.URLError, ConnectionError):
        return False
