"""Test tools for users: the explorer runs a few flows over a real server through every interleaving."""

from .checkers import (
    Checker,
    FreshAfterInvalidation,
    MostLoads,
    NobodyStuck,
    OneInside,
    OwnChanges,
    Violation,
    changes,
    reads,
)
from .explorer import Exploration, explore, replay
from .faults import FaultProxy, HttpFaultProxy
from .proving import Proof, Proved, prove
from .scenario import NO_FAULTS, Control, Faults, Scenario, without
from .server_state import Server, private_server
from .story import Story
from .world import Actor, Told, World

__all__ = [
    "NO_FAULTS",
    "Actor",
    "Checker",
    "Control",
    "Exploration",
    "FaultProxy",
    "Faults",
    "FreshAfterInvalidation",
    "HttpFaultProxy",
    "MostLoads",
    "NobodyStuck",
    "OneInside",
    "OwnChanges",
    "Proof",
    "Proved",
    "Scenario",
    "Server",
    "Story",
    "Told",
    "Violation",
    "World",
    "changes",
    "explore",
    "private_server",
    "prove",
    "reads",
    "replay",
    "without",
]
