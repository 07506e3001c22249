"""explain says what a read would find, and why, and is one itself for nobody."""

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from dousell_cache import AsyncCache, Cache
from dousell_cache.environments import Environment
from dousell_cache.events import Counters
from dousell_cache.explaining import Explanation
from dousell_cache.keys import Names
from dousell_cache.transport.connect import Place
from dousell_cache.transport.nowhere import AsyncNowhere, BlockingNowhere

from .faces import FACES, Face, Loader

if TYPE_CHECKING:
    from .conftest import WaitUntil


def said(explanation: Explanation) -> tuple[str, str, bool]:
    """Return what it says in short."""
    return explanation.outcome, explanation.reason, explanation.loading


async def test_nothing_there(face: Face) -> None:
    """A key without a value is a miss, of no age."""
    explained = await face.explain("a")
    assert said(explained) == ("miss", "nothing there", False)
    assert (explained.key, explained.age, explained.fresh_for, explained.load_ms, explained.tags) == (
        *("a", None, None, None),
        {},
    )


async def test_a_fresh_entry(face: Face) -> None:
    """Its age, how long it will be fresh, how long it took to load, its tags, and what explaining cost."""
    await face.get_or_set("a", Loader("x"), ttl=60, tags=["t", "u"])
    explained = await face.explain("a")
    assert said(explained) == ("hit", "there, and within its time", False)
    assert explained.tags == {"t": "unchanged", "u": "unchanged"}
    assert explained.age is not None
    assert explained.fresh_for is not None
    assert 0 <= explained.age < 20
    assert explained.age + explained.fresh_for == pytest.approx(60)
    assert explained.load_ms is not None
    assert explained.load_ms >= 0
    assert explained.seconds > 0
    assert explained.commands == 3, "the entry, its tags' versions once they are known, the lease"
    assert (await face.explain("a")).commands == 2


async def test_a_stale_entry(face: Face, wait_until: "WaitUntil", other: Cache) -> None:
    """Past its time and within its grace; how long ago is a negative time to be fresh."""
    await face.set("a", "x", ttl=0.001, grace=60)
    await asyncio.to_thread(wait_until, lambda: other.explain("a").outcome == "stale")
    explained = await face.explain("a")
    assert said(explained) == ("stale", "past its time, and within its grace", False)
    assert explained.fresh_for is not None
    assert explained.fresh_for <= 0
    await face.get_or_set("a", Loader(ValueError("origin")), ttl=60, grace=60)
    spared = "past its time, and within its grace, and the origin failed a moment ago"
    assert said(await face.explain("a")) == ("stale", spared, False), "nobody loads during a back-off"


@pytest.mark.parametrize(
    ("soft", "reason"),
    [
        (False, "withdrawn by t"),
        (True, "withdrawn by t, softly: it may stand in for an origin that fails"),
    ],
)
async def test_an_entry_that_a_tag_withdrew(face: Face, other: Cache, soft: bool, reason: str) -> None:
    """A miss, because of which tags."""
    await face.set("a", "x", ttl=60, tags=["t", "u"])
    other.invalidate_tags("t", soft=soft)
    explained = await face.explain("a")
    assert said(explained) == ("miss", reason, False)
    assert explained.tags == {"t": "moved", "u": "unchanged"}


async def test_what_somebody_loads(face: Face, other: Cache) -> None:
    """A key that another process is loading says so."""
    seen = list[Explanation]()

    def load() -> str:
        loading.set()
        assert explained.wait(20)
        return "x"

    loading, explained = threading.Event(), threading.Event()
    reading = asyncio.ensure_future(asyncio.to_thread(other.get_or_set, "a", load))
    assert await asyncio.to_thread(loading.wait, 20)
    seen.append(await face.explain("a"))
    explained.set()
    assert await reading == "x"
    assert said(seen[0]) == ("miss", "nothing there, and somebody is loading it", True)


@pytest.mark.parametrize("command", [("SET", "plain text"), ("LPUSH", "x")])
async def test_what_is_no_entry(face: Face, namespace: str, command: tuple[str, str]) -> None:
    """What another program left there counts as nothing, and is said to be there."""
    await face.send(command[0], f"{namespace}a", command[1])
    assert said(await face.explain("a")) == ("miss", "what lies there is no entry, so it counts as nothing", False)
    await face.send("DEL", f"{namespace}a")


@pytest.mark.parametrize("face_", FACES)
async def test_no_cache(face_: str) -> None:
    """A cache that cannot serve explains itself, too."""
    place = Place(Environment("local", "none"))
    nowhere = Face(Cache(BlockingNowhere(), place) if face_ == "blocking" else AsyncCache(AsyncNowhere(), place))
    assert said(await nowhere.explain("a")) == (
        *("bypass", "the cache cannot serve now, so the loader would answer"),
        False,
    )


async def test_explaining_is_no_read(face: Face, namespace: str) -> None:
    """Nothing is loaded, counted, told or written."""
    await face.set("a", "x", ttl=60)
    before, events = face.counters(), face.record()
    await face.explain("a")
    await face.explain("b")
    assert (face.counters(), events) == (before, [])
    assert before != Counters()
    names = Names(namespace)
    assert await face.send("EXISTS", names.lease("a"), names.lease("b"), names.value("b")) == 0


async def test_a_key_that_makes_no_sense(face: Face) -> None:
    """It is refused as for a read."""
    with pytest.raises(ValueError, match=r"^a key must be a non-empty string"):
        await face.explain("")
