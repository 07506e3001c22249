"""The blocking face's runner: one step, or a clear refusal."""

import asyncio
from collections.abc import Generator

import pytest

from dousell_cache.runner import run_blocking


class Pause:
    """Something that suspends whoever awaits it."""

    def __await__(self) -> Generator[None]:
        yield


async def returns(value: object) -> object:
    """Return at once, as a flow over a blocking transport does."""
    return value


async def raises(error: BaseException) -> None:
    """Raise at once."""
    raise error


@pytest.mark.parametrize("value", [None, 7, [1]])
def test_it_returns_what_the_flow_returns(value: object) -> None:
    """A flow that never suspends is finished in one step, whatever it returns."""
    assert run_blocking(returns(value)) is value


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), asyncio.CancelledError()])
def test_an_exception_passes_through(error: BaseException) -> None:
    """What the flow raises is raised, the very object, interrupts included."""
    with pytest.raises(type(error)) as caught:
        run_blocking(raises(error))
    assert caught.value is error


def test_a_stop_iteration_is_not_mistaken_for_the_end() -> None:
    """A flow that raises StopIteration has failed, not returned."""
    with pytest.raises(RuntimeError, match="StopIteration"):
        run_blocking(raises(StopIteration(7)))


def test_a_flow_that_suspends_is_closed_and_refused() -> None:
    """Something asynchronous in a blocking flow is one clear error, and the flow's clean-up has run by then."""
    ended = []

    async def suspends() -> None:
        try:
            await Pause()
        finally:
            ended.append(True)

    with pytest.raises(RuntimeError, match=r"^a blocking flow suspended: "):
        run_blocking(flow := suspends())
    assert ended == [True], "only when it was thrown away"
    del flow


async def test_it_works_inside_a_running_loop() -> None:
    """No loop is started, so a notebook's running loop does not mind."""
    assert asyncio.get_running_loop()
    assert run_blocking(returns(7)) == 7
