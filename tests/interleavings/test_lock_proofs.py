"""Promises 4 and 5 through every interleaving of the production flows of locks, and every guard that they rest on."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import pytest

from dousell_cache.testing import Exploration, Proof, Server, explore, lock_guards, private_server
from dousell_cache.testing.lock_checkers import TrustingPayment
from dousell_cache.testing.lock_proofs import PROOFS, replay
from dousell_cache.testing.scenario import NO_FAULTS, Control

FEWEST_SCHEDULES = 10_000
CONTROLS = [
    pytest.param(proof, control, id=f"{name}: {control.name}")
    for name, proof in PROOFS.items()
    for control in proof.controls
]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server for explorations."""
    with private_server() as server:
        yield server


@pytest.fixture(scope="module")
def explored(server: Server) -> Callable[[str], Exploration]:
    """Explore a proof by its name; each is explored once."""
    return cache(lambda name: explore(PROOFS[name].scenario, server))


@pytest.mark.parametrize("name", PROOFS)
def test_no_schedule_breaks_a_promise(explored: Callable[[str], Exploration], name: str) -> None:
    """Every schedule was explored, and in none of them is a lock or a payment granted twice, or anybody stuck."""
    exploration = explored(name)
    print(exploration)  # noqa: T201 - the count, shown by pytest -rP
    assert [str(story) for story in exploration.violations] == []
    assert exploration.complete


def test_they_are_more_schedules_than_anybody_thinks_of(explored: Callable[[str], Exploration]) -> None:
    """The schedules of all proofs are at least as many as were asked for."""
    assert sum(explored(name).schedules for name in PROOFS) >= FEWEST_SCHEDULES


@pytest.mark.parametrize(("proof", "control"), CONTROLS)
def test_a_guard_switched_off_is_found_out(server: Server, proof: Proof, control: Control) -> None:
    """Without the guard the same exploration finds a violation."""
    assert explore(proof.scenario, server, control=control, first_only=True).violations


def test_every_guard_is_switched_off_somewhere() -> None:
    """No proof is without a control, and no control without a proof."""
    switched_off = {control.name for proof in PROOFS.values() for control in proof.controls}
    guards = {guard.name for guard in vars(lock_guards).values() if isinstance(guard, Control)}
    assert switched_off == guards
    assert [name for name, proof in PROOFS.items() if not proof.controls] == []


def test_a_lock_alone_pays_twice_when_a_holder_is_paused(server: Server) -> None:
    """A ledger that trusts the lock is paid twice, by a holder that outlives it; without a fault it is not."""
    trusting = replace(PROOFS["lock"].scenario, checkers=(TrustingPayment(),))
    (story,) = explore(trusting, server).violations
    assert any("expires" in line or "is evicted" in line for line in story.lines)
    assert not explore(replace(trusting, faults=NO_FAULTS), server).violations


def test_a_story_is_run_again_by_its_one_line(server: Server) -> None:
    """What a story of a proof says to run shows the same story, fences and all."""
    proof = PROOFS["lock"]
    (story,) = explore(proof.scenario, server, control=lock_guards.COMPARES, first_only=True).violations
    assert story.again.startswith('python -c "from dousell_cache.testing.lock_proofs import replay; print(replay(')
    assert replay("lock", story.schedule, lock_guards.COMPARES.name) == story
