"""Promises 1 and 2 through every interleaving of the production flows, and every guard that they rest on."""

from collections.abc import Iterator

import pytest

from dousell_cache.testing import Proof, Server, explore, private_server
from dousell_cache.testing.proofs import PROOFS, replay

# What must be among them, whatever else is: the promises name these.
PROMISED = {"keys", "one load", "tags", "soft", "set", "grace", "background refresh", "one process", "undelivered"}
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


@pytest.mark.parametrize("proof", PROOFS.values(), ids=PROOFS)
def test_no_schedule_breaks_a_promise(server: Server, proof: Proof) -> None:
    """Every schedule was explored, and none of them breaks what must hold."""
    exploration = explore(proof.scenario, server)
    print(exploration)  # noqa: T201 - the count, shown by pytest -rP
    assert [str(story) for story in exploration.violations] == []
    assert exploration.complete


@pytest.mark.parametrize(("proof", "control"), CONTROLS)
def test_a_guard_switched_off_is_found_out(server: Server, proof: Proof, control: object) -> None:
    """Without the guard the same exploration finds a violation."""
    assert explore(proof.scenario, server, control=control, first_only=True).violations  # type: ignore[arg-type]  # from the list above


def test_every_promise_is_proved_and_every_proof_rests_on_a_guard() -> None:
    """No proof is without a control, and none of those that the promises name is missing."""
    assert set(PROOFS) >= PROMISED
    assert [name for name, proof in PROOFS.items() if not proof.controls] == []


def test_a_story_is_run_again_by_its_one_line(server: Server) -> None:
    """What a story of a proof says to run shows the same story."""
    proof = PROOFS["keys"]
    (story,) = explore(proof.scenario, server, control=proof.controls[0], first_only=True).violations
    assert story.again.startswith('python -c "from dousell_cache.testing.proofs import replay; print(replay(')
    assert replay("keys", story.schedule, proof.controls[0].name) == story
