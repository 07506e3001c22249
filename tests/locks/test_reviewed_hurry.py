"""A command in a hurry, behind the breaker: what its giving up says about the server, with a clock ticked by hand."""

import pytest

from dousell_cache.errors import CacheUnavailable
from dousell_cache.runner import run_blocking
from dousell_cache.transport.patience import Guarded
from dousell_cache.transport.port import Argument, Reply

from ..faults.test_breaker import Puppet, Rig, Ticked

HURRY = 0.0625  # seconds; the puppet's patience is 0.1


class Silent(Puppet):
    """A puppet that gets no answer, and takes so long to find out."""

    def __init__(self, clock: Ticked) -> None:
        super().__init__()
        self.clock, self.takes = clock, HURRY

    async def send_within(self, seconds: float, *command: Argument) -> Reply:
        """Take the time, and raise."""
        self.sent.append((seconds, *command))
        self.clock.seconds += self.takes
        message = "no answer"
        raise CacheUnavailable(message)


class Hurried(Rig):
    """A guarded port that gives up when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.puppet = self.silent = Silent(self.clock)
        self.guarded = Guarded(self.silent, self.breaker, self.clock, self.moves.append)

    def hurry(self, *, seconds: float = HURRY, insist: bool = False) -> str:
        """Send a command in a hurry; return what was said."""
        with pytest.raises(CacheUnavailable) as error:
            run_blocking(self.guarded.send_briefly(seconds, "GET", "a", insist=insist))
        return str(error.value)


@pytest.fixture
def hurried() -> Hurried:
    """A puppet that gives up when it is told to."""
    return Hurried()


def test_giving_up_early_is_no_failure(hurried: Hurried) -> None:
    """However often commands are given up sooner than patience, the breaker stays closed, and nothing counts."""
    for _ in range(10):
        hurried.hurry()
    assert (hurried.breaker.calm, hurried.states()) == (True, [])


@pytest.mark.parametrize("takes", [0.0, HURRY / 2, 2 * HURRY, 5.0])
def test_failing_by_itself_or_with_all_its_time_is_one(hurried: Hurried, takes: float) -> None:
    """What failed before it was given up, or had as much time as any command, counts as any command's failure."""
    hurried.silent.takes = takes
    for _ in range(3):
        hurried.hurry()
    assert hurried.states() == ["open"]


def test_a_try_that_is_given_up_early_is_not_the_last(hurried: Hurried) -> None:
    """The one command a window that tries a dead cache says nothing if it is given up early: another tries later."""
    hurried.die()
    hurried.clock.seconds += 1.01
    hurried.hurry()
    assert hurried.states() == ["open", "half-open", "open"]
    assert "taken for dead" in hurried.hurry()
    hurried.puppet.answer = b"OK"
    hurried.clock.seconds += 1.01
    assert hurried.send() == b"OK"
    assert hurried.breaker.state == "closed"


def test_who_insists_is_sent(hurried: Hurried) -> None:
    """An open breaker refuses who is in a hurry, unless it insists; its giving up then moves nothing."""
    hurried.die()
    assert "taken for dead" in hurried.hurry()
    assert hurried.puppet.sent == []
    assert hurried.hurry(insist=True) == "no answer"
    assert len(hurried.puppet.sent) == 1
    assert hurried.states() == ["open"]
