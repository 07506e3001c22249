"""Every example of the README, the reference of cache, check and load, and the how-to pages runs as it says."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dousell_cache.transport.connect import PATIENCE

from .pages import PAGES, ROOT, snippets

if TYPE_CHECKING:
    from ..conftest import FreeValkey


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_runs_from_top_to_bottom(
    page: Path,
    free_valkey: "FreeValkey",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The page's blocks, in one namespace and in order, raise nothing and print what the page shows."""
    monkeypatch.chdir(tmp_path)  # for what a page writes
    monkeypatch.setenv("REDIS_URL", free_valkey.url)
    monkeypatch.setitem(PATIENCE, "tcp", 1.0)  # pages use the defaults, which a laden machine may outlast
    monkeypatch.setattr("dousell_cache.connecting.PATIENCE_SECONDS", 2.5)
    logging.getLogger("dousell_cache").setLevel(logging.CRITICAL)  # a page that kills its cache is meant to
    names: dict[str, Any] = {"__name__": "__main__"}
    pieces = snippets(page)
    assert pieces, "a page with no example that runs"
    try:
        for piece in pieces:
            # Blank lines before it: a traceback then names the page's own line.
            exec(compile("\n" * (piece.line - 1) + piece.code, str(page), "exec", dont_inherit=True), names)  # noqa: S102
            printed = capsys.readouterr().out
            if piece.output is not None:
                assert printed == piece.output, f"{page.name}, line {piece.line}"
    finally:
        logging.getLogger("dousell_cache").setLevel(logging.NOTSET)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Each link to a file of the repository, from these pages, finds it."""
    targets = [part.partition(")")[0] for part in page.read_text().split("](")[1:]]
    files = [target.partition("#")[0] for target in targets if not target.startswith("http")]
    assert [target for target in files if target and not (page.parent / target).exists()] == []
