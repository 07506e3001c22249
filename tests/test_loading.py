"""Waiting for a load: who may be granted it is never held up."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from dousell_cache.loading import _Waiting


class Still:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.time = 0.0
        self.slept: list[float] = []

    def now(self) -> float:
        """The time."""
        return self.time

    async def sleep(self, seconds: float) -> None:
        """Move on."""
        self.slept.append(seconds)
        self.time += seconds


@pytest.mark.parametrize("looked", [1, 4, 5, 9])
async def test_the_first_lease_is_asked_for_at_once(looked: int) -> None:
    """However many slots the look at a key and its tags took, only a second ask within the second waits for it."""
    clock = Still()
    context = SimpleNamespace(clock=clock)
    call: Any = SimpleNamespace(context=context, store=SimpleNamespace(commands=looked, wakes=False), ask_anew=list)
    waiting = _Waiting(cast("Any", call), "key")
    await waiting.may_ask()
    assert clock.slept == []
    for _ in range(5):
        await waiting.may_ask()
    assert sum(clock.slept) == 1
