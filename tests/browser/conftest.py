"""One browser for all tests of pages."""

from collections.abc import Iterator

import pytest

from .chromium import Chromium, chromium


@pytest.fixture(scope="session")
def browser() -> Iterator[Chromium]:
    """A Chromium, started on first use, gone when the session is."""
    with chromium() as found:
        yield found
