"""Links between the pages lead to files and headings that are there."""

import re
from functools import cache
from pathlib import Path

import pytest

from .pages import PAGES, ROOT, prose

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_MARKED_LINK = re.compile(r"\[([^]]*)\]\([^)]*\)")


def slug(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    words = _MARKED_LINK.sub(r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")


@cache
def anchors(page: Path) -> set[str]:
    """Return a page's anchors; the second heading of the same words gets -1, and so on."""
    slugs = [slug(heading) for heading in _HEADING.findall(prose(page))]
    return {one if not (before := slugs[:at].count(one)) else f"{one}-{before}" for at, one in enumerate(slugs)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Each link to a file of the repository finds it, and each anchor its heading."""
    lost = []
    for target in _LINK.findall(prose(page)):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        file, _, anchor = target.partition("#")
        found = (page.parent / file).resolve() if file else page
        if not found.exists() or (anchor and found.suffix == ".md" and anchor not in anchors(found)):
            lost.append(target)
    assert lost == []


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("What happens when", "what-happens-when"),
        ("`--json`, version 1", "--json-version-1"),
        ("Money: let the database have the last word", "money-let-the-database-have-the-last-word"),
        ("Déployer sur [Vercel](x.md)", "déployer-sur-vercel"),
    ],
)
def test_anchors_are_made_as_github_makes_them(heading: str, anchor: str) -> None:
    """Signs go, spaces become hyphens, letters of any language stay."""
    assert slug(heading) == anchor


def test_every_page_can_be_reached() -> None:
    """From the README, link by link, one comes to every page."""
    seen, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        targets = [(page.parent / target.partition("#")[0]).resolve() for target in _LINK.findall(prose(page))]
        folders = [file for target in targets if target.is_dir() for file in target.glob("*.md")]
        waiting += [target for target in [*targets, *folders] if target.suffix == ".md" and target.is_file()]
    assert [str(page.relative_to(ROOT)) for page in PAGES if page not in seen] == []
