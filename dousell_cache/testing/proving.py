"""A proof: a scenario explored, then explored again with each guard it rests on switched off."""

from collections.abc import Mapping
from dataclasses import dataclass

from .explorer import NOTHING_OFF, Exploration, explore, replay
from .scenario import Control, Scenario
from .server_state import Server, private_server
from .story import Story


@dataclass(frozen=True)
class Proof:
    """A scenario of production flows, and the guards that it rests on.

    Args:
        scenario: what is explored.
        controls: guards to switch off; each must be found out.
    """

    scenario: Scenario
    controls: tuple[Control, ...] = ()


@dataclass(frozen=True)
class Proved:
    """What came of a proof.

    Args:
        exploration: of the flows as they are.
        caught: for each control its exploration, which has a violation if the control was found out.
    """

    exploration: Exploration
    caught: Mapping[str, Exploration]

    @property
    def holds(self) -> bool:
        """Tell whether nothing was wrong, nothing left out, and every control found out."""
        found = all(exploration.violations for exploration in self.caught.values())
        return self.exploration.complete and not self.exploration.violations and found


def prove(proof: Proof, server: Server) -> Proved:
    """Explore a proof's scenario, then again with each of its guards switched off."""
    exploration = explore(proof.scenario, server)
    caught = {
        control.name: explore(proof.scenario, server, control=control, first_only=True) for control in proof.controls
    }
    return Proved(exploration, caught)


def run_again(proof: Proof, schedule: str, control: str = NOTHING_OFF.name) -> Story:
    """Run one schedule of a proof again, on a server of its own.

    Args:
        proof: the proof.
        schedule: as a story shows it.
        control: the name of the guard that was switched off.
    """
    controls = {one.name: one for one in (NOTHING_OFF, *proof.controls)}
    with private_server() as server:
        return replay(proof.scenario, server, schedule, control=controls[control])
