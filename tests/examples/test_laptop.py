"""The example application on a laptop, as its page tells it: three terminals, nothing that the page does not name."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from subprocess import PIPE
from typing import IO

import httpx
import pytest

from dousell_cache.local import Cloud, process

from .. import rents
from ..docs.pages import DOCS, ROOT, snippets, table
from .rental_site import FOLDER

PAGE = DOCS / "how-to" / "deploy.md"
LOCAL, SERVE, VISIT = snippets(PAGE, "sh")[:3]
NO_LATENCY = " --cache-latency none --origin-latency none"  # as the session's cloud, which is then shared
BASH = shutil.which("bash") or "bash"


def activated() -> dict[str, str]:
    """Return the variables of a shell in which this environment is activated."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def exports(printed: IO[str]) -> str:
    """Return the lines that are to be pasted, once the command has printed them."""
    lines = []
    for line in printed:
        lines += [line] if line.startswith("export ") else []
        if line.startswith("# REDIS_URL decides"):
            break
    return "".join(lines)


@contextmanager
def laptop(folder: Path) -> Iterator[str]:
    """Run the page's first two terminals for the length of a block; yield the application's port."""
    (port,) = process.free_ports(1)
    local = [BASH, "-c", "exec " + LOCAL.code.partition("#")[0].strip() + NO_LATENCY]
    with subprocess.Popen(local, env=activated(), stdout=PIPE, text=True) as cloud:
        assert cloud.stdout
        pasted = f"cd {shlex.quote(str(ROOT))}\n{exports(cloud.stdout)}{SERVE.code.replace('uvicorn', 'exec uvicorn')}"
        environment = {**activated(), "UVICORN_PORT": str(port)}
        child = process.spawn("the example", [BASH, "-c", pasted], folder / "log", environment=environment)
        try:
            child.wait_ready(partial(process.answers_http, port, "/health"), 60)
            yield str(port)
        finally:
            process.stop_all([child])
            cloud.terminate()


def test_the_page_leads_to_a_site_that_runs(cloud: Cloud, tmp_path: Path) -> None:
    """With what the page tells and nothing else it runs, the curl lines print what it shows, each route has its row."""
    rents.ready(cloud)
    with laptop(tmp_path) as port:
        ours = {"Authorization": "Bearer a-word-of-yours"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=ours, trust_env=False) as http:
            before = http.get("/properties/7").json()["rent_xof"]
            try:
                visit = [BASH, "-euo", "pipefail", "-c", VISIT.code.replace(":8000", f":{port}")]
                done = subprocess.run(visit, env=activated(), capture_output=True, text=True, check=False)
            finally:
                http.patch("/properties/7", json={"rent_xof": before})
            front = http.get("/")
            paths = http.get("/openapi.json").json()["paths"]
    assert (done.stdout, done.stderr) == (VISIT.output, "")
    assert (front.status_code, front.headers["location"]) == (307, "/docs")
    routes = {f"`{method.upper()} {path}`" for path, methods in paths.items() for method in methods}
    assert {row[0] for row in table(PAGE, "On your laptop")} == routes


@pytest.mark.parametrize("missing", [["SUPABASE_SERVICE_ROLE_KEY"], ["SUPABASE_URL", "SUPABASE_KEY"]])
def test_what_is_missing_is_named_at_the_start(missing: list[str]) -> None:
    """Without its variables it does not start; one sentence names those that are not set, and what gives them."""
    names = ("SUPABASE_URL", "SUPABASE_KEY", "SUPABASE_SERVICE_ROLE_KEY")
    settings = {name: "" if name in missing else "http://127.0.0.1:1" for name in names}
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(FOLDER), "--port", "0", "app:app"]
    done = subprocess.run(command, env={**activated(), **settings}, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    (sentence,) = (line for line in done.stderr.splitlines() if "not set: " in line and "Error" in line)
    assert sentence.partition("not set: ")[2] == (
        f"{', '.join(missing)}; your Supabase project's settings have them, "
        "and on a laptop `dousell-cache local` prints them"
    )
