"""Experiments on a real server: several processes, restarts, a server that is away."""

import asyncio
import inspect
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from dousell_cache import Cache, CacheUnavailable, ConfigurationError, connect
from dousell_cache.events import Read
from dousell_cache.tuning.arms import CLUSTERS, Sums
from dousell_cache.tuning.experiment import AsyncExperiment, Experiment
from dousell_cache.tuning.verdicts import Guardrails

from .faces import Face, Loader

if TYPE_CHECKING:
    from .conftest import FreeValkey

ARMS = {"300s": 300.0, "60s": 60.0}


class Party:
    """One process's part in an experiment, of either face, awaited; its clock is the test's.

    Args:
        face: its cache.
        options: of the experiment.
    """

    def __init__(self, face: Face, arms: Mapping[str, float] = ARMS, **options: Any) -> None:
        kind: Any = Experiment if isinstance(face.cache, Cache) else AsyncExperiment
        options = {"family": "detail", "lead_in": 0.0, "every": 3600.0, **options}
        self.face = face
        self.experiment = kind("ttl", arms, face.cache, **options)
        self.now = 1000.0
        self.experiment._clock = lambda: self.now

    async def do(self, name: str) -> None:
        """Call a method, and wait for it if it is asynchronous."""
        answer = getattr(self.experiment, name)()
        if inspect.isawaitable(answer):
            await answer

    def reads(self, arm: int = 1) -> int:
        """Return how many reads of an arm all processes together know of."""
        table = self.experiment._table()
        return sum(sums.reads for (phase, number, _), sums in table.items() if phase == "during" and number == arm)


def keys(party: Party, arm: str, count: int = 1) -> list[str]:
    """Return some keys of an arm."""
    found = (f"detail:{number}" for number in range(10_000) if party.experiment.arm(f"detail:{number}") == arm)
    return [next(found) for _ in range(count)]


async def test_processes_serve_one_experiment(face: Face, other: Cache) -> None:
    """What two processes count adds up in both, and stays when one is gone and a new one comes."""
    first, second = Party(face), Party(Face(other))
    await first.do("start")
    await second.do("start")
    (key,) = keys(first, "60s")
    for party in (first, second, second):
        await party.face.get_or_set(key, Loader(1), ttl=party.experiment.ttl(key))
    await second.face.get("other:1")
    await second.do("close")
    await first.do("sync")
    assert first.reads() == 3
    await first.do("close")
    await second.do("sync")
    assert (first.reads(), second.reads()) == (3, 3)
    heir = Party(face)
    await heir.do("start")
    assert heir.reads() == 3
    await heir.do("close")
    await heir.do("forget")


async def test_told_twice_counts_once(face: Face) -> None:
    """Sums that are told again, as after a lost reply, are not counted again; an exchange costs two commands."""
    party = Party(face)
    await party.do("sync")
    party.experiment._observe(Read(keys(party, "60s")[0], "hit", 0.0, 0.0, 1))
    for _ in range(3):
        await party.do("sync")
    newcomer = Party(face)
    await newcomer.do("sync")
    assert newcomer.reads() == 1


async def test_an_arm_has_its_ttl(face: Face) -> None:
    """Each key has its arm's TTL, the same in every process, and the first one's before the experiment is joined."""
    party = Party(face)
    (slow,), (quick,) = keys(party, "300s"), keys(party, "60s")
    assert [party.experiment.ttl(key) for key in (slow, quick)] == [300, 300]
    await party.do("sync")
    assert [party.experiment.ttl(key) for key in (slow, quick)] == [300, 60]


async def test_the_lead_in_treats_all_arms_alike(face: Face) -> None:
    """During the lead-in every key has the first TTL; reads count apart, and not until what it stored has expired."""
    party = Party(face, lead_in=100.0)
    await party.do("sync")
    (key,) = keys(party, "60s")
    told = []
    for now in (1000.0, 1099.0, 1101.0, 1399.0, 1401.0):
        party.now = now
        party.experiment._observe(Read(key, "hit", 0.0, 0.0, 1))
        told.append(party.experiment.ttl(key))
    assert told == [300, 300, 60, 60, 60]
    assert {phase: sums.reads for (phase, _, _), sums in party.experiment._table().items()} == {
        "before": 2,
        "during": 1,
    }


async def test_a_stopped_arm_is_stopped_everywhere(face: Face, other: Cache, caplog: pytest.LogCaptureFixture) -> None:
    """An arm that breaks a guardrail gets the first one's TTL in every process, also after a restart, and is logged."""
    first, second = Party(face), Party(Face(other), guardrails=Guardrails(errors=1.0))  # it would not stop it itself
    await first.do("sync")
    quick = keys(first, "60s", 40 * CLUSTERS)
    for key in quick:
        first.experiment._observe(Read(key, "error", 0.1, 0.1, 3, failure="OSError"))
    for key in keys(first, "300s", 40 * CLUSTERS):
        first.experiment._observe(Read(key, "hit", 0.1, 0.0, 1))
    await first.do("sync")
    await second.do("sync")
    assert [party.experiment.ttl(quick[0]) for party in (first, second)] == [300, 300]
    reason = "more than 1.0% of its reads fail, and more than of those of 300s"
    assert second.experiment.stopped == {"60s": reason}
    assert [str(verdict) for verdict in second.experiment.verdicts()] == [f"60s was stopped: {reason}"]
    assert "arm 60s was stopped" in caplog.text


async def test_other_arms_under_the_same_name_are_refused(face: Face) -> None:
    """A process that was deployed with other TTLs does not join: its sums would be of something else."""
    party, stranger = Party(face), Party(face, {"300s": 300.0, "30s": 30.0})
    await party.do("sync")
    stranger.experiment._started = 0.0
    stranger.experiment._observe(Read(keys(party, "60s")[0], "hit", 0.0, 0.0, 1))
    with pytest.raises(ConfigurationError, match="experiment 'ttl' runs already, as"):
        await stranger.do("sync")
    await party.do("sync")
    assert party.reads() == 0


async def test_a_server_that_is_away_costs_only_the_exchange(free_valkey: "FreeValkey") -> None:
    """Without a server the site goes on with the first arm's TTL; when it is back, what was counted is told."""
    with connect(free_valkey.url, patience=5, breaker=False) as cache:
        party = Party(Face(cache))
        free_valkey.kill()
        await party.do("start")
        (key,) = keys(party, "60s")
        assert party.experiment.ttl(key) == 300
        free_valkey.restart()
        await party.do("sync")
        party.experiment._observe(Read(key, "hit", 0.0, 0.0, 1))
        free_valkey.restart()
        with suppress(CacheUnavailable):  # on a connection of before
            await party.do("sync")
        await party.do("close")
        assert party.reads() == 1
        await party.do("sync")
        newcomer = Party(Face(cache))
        await newcomer.do("sync")
        assert newcomer.reads() == 1


async def test_exchanges_go_on_by_themselves(face: Face, other: Cache) -> None:
    """A running experiment learns of other processes without being asked."""
    first, second = Party(face, every=0.001), Party(Face(other))
    await first.do("start")
    await second.do("sync")
    second.experiment._observe(Read(keys(second, "60s")[0], "hit", 0.0, 0.0, 1))
    await second.do("sync")
    async with asyncio.timeout(20):
        while not first.reads():
            await asyncio.sleep(0.001)
    await first.do("close")


def _told(newcomer: Party, reads: int) -> bool:
    """Tell whether so many reads are told before long."""
    for _ in range(20_000):
        newcomer.experiment.sync()
        if newcomer.reads() == reads:
            return True
        time.sleep(0.001)
    return False


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_counts_for_itself(valkey_url: str, namespace: str) -> None:
    """A child tells by itself what it counted, and not what its parent counted once more."""
    with connect(valkey_url, namespace=namespace, patience=5) as cache:
        party = Party(Face(cache), every=0.001)
        party.experiment.start()
        hit = Read(keys(party, "60s")[0], "hit", 0.0, 0.0, 1)
        party.experiment._observe(hit)
        child = os.fork()
        if child == 0:
            party.experiment._observe(hit)
            os._exit(0 if _told(Party(Face(cache)), 2) else 1)
        assert os.waitpid(child, 0)[1] == 0
        party.experiment.close()
        assert sum(party.experiment._table().values(), Sums()).reads == 2


@pytest.mark.parametrize(
    ("arms", "options", "sentence"),
    [
        ({"300s": 300.0}, {}, "arms must be at least two TTLs by name"),
        ({"300s": 300.0, "0s": 0.0}, {}, "ttl must be between"),
        (ARMS, {"lead_in": -1}, "lead_in must be 0 seconds or more"),
        (ARMS, {"margin": 1}, "margin must be a share"),
        (ARMS, {"every": 0}, "every must be seconds above 0"),
        (ARMS, {"family": ""}, "a family must be a non-empty string"),
    ],
)
async def test_a_design_without_sense_is_refused(
    face: Face, arms: Mapping[str, float], options: Any, sentence: str
) -> None:
    """What makes no experiment is refused at once, in one sentence."""
    with pytest.raises(ConfigurationError, match=sentence):
        Party(face, arms, **options)
