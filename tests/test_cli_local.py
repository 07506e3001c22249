"""`dousell-cache local`: bad latencies are refused, and a cloud that ends is noticed."""

import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE

import pytest

from dousell_cache.cli import main

from . import processes


@pytest.mark.parametrize("option", ["--cache-latency", "--origin-latency"])
def test_a_latency_that_is_none_is_refused_by_its_option(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistyped profile ends with 2 and one sentence that names the option and the nearest profile."""
    assert main(["local", option, "upstash"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"dousell-cache: {option}: ")
    assert "did you mean" in said.err


def test_a_cloud_that_ends_is_noticed(private_runtime: Path) -> None:
    """When its servers are gone the command says so and ends with 3, instead of offering addresses of nobody."""
    options = ["--json", "--cache-latency", "none", "--origin-latency", "none"]
    command = [sys.executable, "-m", "dousell_cache.cli", "local", *options]
    variables = {**os.environ, "DOUSELL_CACHE_RUNTIME_DIR": str(private_runtime)}
    with subprocess.Popen(command, stdout=PIPE, stderr=PIPE, text=True, env=variables) as running, ExitStack() as stack:
        stack.callback(running.kill)
        assert running.stdout
        address = json.loads(running.stdout.readline())["variables"]["REDIS_URL"].split("/")[2]
        (server,) = [
            pid for pid, process in processes.running().items() if f"valkey-server {address}" in process.command
        ]
        os.kill(server, signal.SIGKILL)
        _, err = running.communicate(timeout=60)
    assert running.returncode == 3
    assert err == "dousell-cache: the local cloud is gone: one of its servers ended\n"
