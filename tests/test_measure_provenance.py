"""Which commit measured."""

import re
from pathlib import Path

from dousell_cache.measure.provenance import commit


def test_the_commit_is_the_repositorys_or_none() -> None:
    """In a clone it is the commit, marked when there are changes; in an unpacked archive there is none."""
    found = commit()
    if not (Path(__file__).parents[1] / ".git").exists():
        assert found is None
    elif found is not None:
        assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", found)
