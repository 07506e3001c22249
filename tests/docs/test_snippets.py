"""Every example of every page runs, in Python and in the shell, and prints what the page says."""

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dousell_cache.transport.connect import PATIENCE

from .. import rents
from .pages import PAGES, ROOT, snippets

if TYPE_CHECKING:
    from ..conftest import FreeValkey


def _with(language: str) -> list[Path]:
    return [page for page in PAGES if snippets(page, language)]


@pytest.mark.parametrize("page", _with("python"), ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_runs_from_top_to_bottom(
    page: Path,
    free_valkey: "FreeValkey",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    """The page's blocks, in one namespace and in order, raise nothing and print what the page shows."""
    monkeypatch.chdir(tmp_path)  # for what a page writes
    if "open_site" in page.read_text():
        rents.ready(request.getfixturevalue("cloud"))
    monkeypatch.setenv("REDIS_URL", free_valkey.url)
    monkeypatch.setitem(PATIENCE, "tcp", 1.0)  # pages use the defaults, which a laden machine may outlast
    monkeypatch.setattr("dousell_cache.connecting.PATIENCE_SECONDS", 2.5)
    logging.getLogger("dousell_cache").setLevel(logging.CRITICAL)  # a page that kills its cache is meant to
    names: dict[str, Any] = {"__name__": "__main__"}
    monkeypatch.syspath_prepend(str(ROOT))  # pages of the benchmarks import them
    try:
        for piece in snippets(page):
            # Blank lines before it: a traceback then names the page's own line.
            exec(compile("\n" * (piece.line - 1) + piece.code, str(page), "exec", dont_inherit=True), names)  # noqa: S102
            printed = capsys.readouterr().out
            if piece.output is not None:
                assert printed == piece.output, f"{page.name}, line {piece.line}"
    finally:
        logging.getLogger("dousell_cache").setLevel(logging.NOTSET)


@pytest.mark.parametrize("page", _with("sh run"), ids=lambda page: str(page.relative_to(ROOT)))
def test_shell_lines_run(page: Path, free_valkey: "FreeValkey", tmp_path: Path) -> None:
    """The page's shell blocks, in one shell and in order, fail nowhere and print what the page shows."""
    path = f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}"
    variables = {**os.environ, "PATH": path, "REDIS_URL": free_valkey.url, "HOME": str(tmp_path)}
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    for piece in snippets(page, "sh run"):
        command = ["bash", "-euo", "pipefail", "-c", piece.code]
        done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{page.name}, line {piece.line}: {done.stdout}{done.stderr}"
        if piece.output is not None:
            assert done.stdout == piece.output, f"{page.name}, line {piece.line}"
