"""The near cache: what it answers, what it refuses to keep, and that nothing in it outlives an invalidation."""

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from dousell_cache import MISSING, connect
from dousell_cache.entries import Entry, encode
from dousell_cache.environments import rest
from dousell_cache.errors import CacheUnavailable, ConfigurationError
from dousell_cache.local import Cloud
from dousell_cache.near import _MOVES_REMEMBERED, ABSENT, NearCache, NearOptions

from .bench import word

if TYPE_CHECKING:
    from dousell_cache.transport.port import Argument, Reply

    from .conftest import WaitUntil

ROWS = encode(Entry([{"id": 1}], 0.0))


@dataclass(frozen=True)
class Row:
    """A row nobody can change."""

    id: int


@dataclass
class Draft:
    """A row anybody can change."""

    id: int


def near_cache(size: int = 10, age: float = 60, shared: bool = False, followed: bool = True) -> NearCache:
    """Return a near cache for ``ns:``, trusted for a long time."""
    near = NearCache(NearOptions(size, age, shared), "ns:", followed=followed)
    near.trust(1e9)
    return near


def keep(near: NearCache, *keys: str, tags: tuple[str, ...] = ()) -> None:
    """Put the rows under keys, as read at time 0."""
    for key in keys:
        assert near.put(near.ticket(0), key, ROWS, tags)


def kept(near: NearCache, *keys: str) -> list[str]:
    """Return those of the keys that are answered at time 0."""
    return [key for key in keys if near.get(key, Any, 0) is not ABSENT]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"size": 0, "age": 1}, "near size=0 must be"),
        ({"size": True, "age": 1}, "near size=True must be"),
        ({"size": 1.5, "age": 1}, "near size=1.5 must be"),
        ({"size": 1, "age": 0}, "near age=0 must be"),
        ({"size": 1, "age": float("nan")}, "near age=nan must be"),
        ({"size": 1, "age": float("inf")}, "near age=inf must be"),
        ({"size": 1, "age": "5"}, "near age='5' must be"),
        ({"size": 1, "age": 1, "shared": "yes"}, "near shared='yes' must be"),
    ],
)
def test_options_that_make_no_sense_are_refused_by_name(options: dict[str, Any], told: str) -> None:
    """A size, an age or a choice that makes no sense is named, with its value."""
    with pytest.raises(ConfigurationError, match=told):
        NearOptions(**options)


def test_each_caller_gets_a_value_of_its_own() -> None:
    """By default every hit is decoded afresh: changing one changes no other."""
    near = near_cache()
    keep(near, "k")
    near.get("k", Any, 0)[0]["id"] = 9
    assert near.get("k", Any, 0) == [{"id": 1}]


def test_a_shared_value_is_one_object_for_everybody() -> None:
    """Shared, every hit gives the very same frozen object, for each way a type may be written."""
    near = near_cache(shared=True)
    keep(near, "k")
    first = near.get("k", list[Row], 0)
    assert first == (Row(1),)
    assert near.get("k", list[Row], 0) is first
    assert near.get("k", Any, 0)[0] == {"id": 1}


def test_a_value_that_cannot_be_shared_is_decoded_afresh() -> None:
    """Shared or not, an object that its holder can change is nobody else's."""
    near = near_cache(shared=True)
    keep(near, "k")
    near.get("k", list[Draft], 0)[0].id = 9
    assert near.get("k", list[Draft], 0) == [Draft(1)]


@pytest.mark.parametrize("shared", [False, True])
def test_none_is_a_value_and_absence_is_not(shared: bool) -> None:
    """A stored None is answered as None; what is not there, or does not fit the type, is ABSENT."""
    near = near_cache(shared=shared)
    near.put(near.ticket(0), "none", encode(Entry(None, 0.0)))
    keep(near, "k")
    assert [near.get("none", Any, 0), near.get("none", Any, 0)] == [None, None]
    assert near.get("other", Any, 0) is near.get("k", int, 0) is ABSENT


@pytest.mark.parametrize(("fresh_for", "until"), [(3.0, 13.0), (99.0, 15.0)])
def test_an_entry_ends_with_its_freshness_or_its_age(fresh_for: float, until: float) -> None:
    """What is sooner ends it: the server's remaining time or the age, both from the moment its read was sent."""
    near = near_cache(age=5)
    near.put(near.ticket(10), "k", ROWS, fresh_for=fresh_for)
    assert near.get("k", Any, until - 0.01) is not ABSENT
    assert near.get("k", Any, until) is ABSENT


def test_the_least_recently_used_goes_first() -> None:
    """At its size it gives up the entry that was asked for longest ago, and its tags with it."""
    near = near_cache(size=2)
    keep(near, "a", "b", tags=("t",))
    near.get("a", Any, 0)
    keep(near, "c")
    assert kept(near, "a", "b", "c") == ["a", "c"]
    assert near._tagged == {"t": {"a"}}


@pytest.mark.parametrize("shared", [False, True])
def test_a_moved_key_is_gone(shared: bool) -> None:
    """The server's message about a key drops that key alone, whatever it says of other names."""
    near = near_cache(shared=shared)
    keep(near, "k", "é", "other")
    kept(near, "k")
    near.drop([b"ns:k", "ns:é".encode(), b"ns:\xff", b"elsewhere", b"{ns:k}:lease", b"n"])
    assert kept(near, "k", "é", "other") == ["other"]


def test_a_moved_tag_takes_its_entries_along() -> None:
    """The server's message about a tag's version drops every entry with the tag, and leaves nothing behind."""
    near = near_cache()
    keep(near, "a", "b", tags=("city:Dakar", "new"))
    keep(near, "c", tags=("new",))
    near.drop([b"{ns:tag:city:Dakar}:version"])
    assert kept(near, "a", "b", "c") == ["c"]
    assert near._tagged == {"new": {"c"}}


@pytest.mark.parametrize("name", [b"ns:k", b"{ns:tag:t}:version", None], ids=["key", "tag", "everything"])
def test_a_read_overtaken_by_an_invalidation_is_not_kept(name: bytes | None) -> None:
    """A reply that comes after the message about its key, its tag or everything is not kept; a later read is."""
    near = near_cache()
    ticket = near.ticket(0)
    near.drop([name]) if name else near.flush()
    assert not near.put(ticket, "k", ROWS, ("t",))
    assert kept(near, "k") == []
    assert near.put(near.ticket(0), "k", ROWS, ("t",))


def test_a_read_is_kept_whatever_happened_to_other_names() -> None:
    """A message about another key or tag does not cost a read its place; a key is not a tag of that name."""
    near = near_cache()
    ticket = near.ticket(0)
    near.drop([b"ns:other", b"{ns:tag:k}:version", b"ns:t"])
    assert near.put(ticket, "k", ROWS, ("t",))


def test_what_moved_is_remembered_within_bounds() -> None:
    """However many names move, few are remembered, and a read that began before a forgotten one is not kept."""
    near = near_cache()
    early = near.ticket(0)
    near.drop([b"ns:first"])
    late = near.ticket(0)
    for index in range(_MOVES_REMEMBERED):
        near.drop([b"ns:%d" % index])
    assert len(near._moves) == _MOVES_REMEMBERED
    assert not near.put(early, "k", ROWS)
    assert near.put(late, "k", ROWS)


def test_what_moves_again_and_again_is_not_the_oldest() -> None:
    """Only what has not moved for longest is forgotten, so that a busy key does not cost every read its place."""
    near = near_cache()
    near.drop([b"ns:busy"])
    near.drop([b"ns:%d" % index for index in range(_MOVES_REMEMBERED - 1)])
    ticket = near.ticket(0)
    near.drop([b"ns:busy"])
    near.drop([b"ns:one more"])
    assert near.put(ticket, "k", ROWS)
    assert not near.put(ticket, "busy", ROWS)


def test_an_entry_read_again_replaces_the_one_before() -> None:
    """A key put again is the last to go, and carries its new tags alone."""
    near = near_cache(size=2)
    keep(near, "a", tags=("old",))
    keep(near, "b")
    keep(near, "a", tags=("new",))
    assert near._tagged == {"new": {"a"}}
    keep(near, "c")
    assert kept(near, "a", "b", "c") == ["a", "c"]


def test_what_this_process_changes_is_gone_at_once() -> None:
    """Forgetting keys and tags drops them, and reads under way keep none of them."""
    near = near_cache()
    keep(near, "a", "c")
    keep(near, "b", tags=("t",))
    ticket = near.ticket(0)
    near.forget(["a"], ["t"])
    assert kept(near, "a", "b", "c") == ["c"]
    assert not near.put(ticket, "a", ROWS)


def test_it_answers_only_while_trusted() -> None:
    """Past the time it is trusted until it answers nothing, loses nothing, and goes on when trusted again."""
    near = near_cache()
    keep(near, "k")
    near.trust(1)
    assert near.get("k", Any, 1) is ABSENT
    near.trust(2)
    assert near.get("k", Any, 1) == [{"id": 1}]


def test_distrusted_it_is_empty_and_keeps_nothing() -> None:
    """Distrust drops everything, refuses whatever was read meanwhile, and lasts until trust comes back."""
    near = near_cache()
    keep(near, "k")
    near.distrust()
    ticket = near.ticket(0)
    assert len(near) == 0
    assert not near.put(ticket, "k", ROWS)
    near.flush()
    near.trust(1)
    assert not near.put(ticket, "k", ROWS)
    assert near.put(near.ticket(0), "k", ROWS)


def test_followed_it_begins_off() -> None:
    """With a listener to come, nothing is kept before it vouches; without one, the age alone decides."""
    options = NearOptions(10, 5)
    followed, alone = (NearCache(options, "", followed=followed) for followed in (True, False))
    assert not followed.put(followed.ticket(0), "k", ROWS)
    assert alone.put(alone.ticket(0), "k", ROWS)
    assert alone.get("k", Any, 4.9) is not ABSENT
    assert alone.get("k", Any, 5) is ABSENT


@pytest.mark.parametrize(("followed", "after"), [(True, False), (False, True)])
def test_a_forked_child_begins_anew(followed: bool, after: bool) -> None:
    """In a child it is empty and its lock free; followed, it is off until the child's own listener vouches."""
    near = near_cache(followed=followed)
    keep(near, "k")
    with near._lock:
        near.after_fork()
        assert len(near) == 0
        assert near.put(near.ticket(0), "k", ROWS) is after


def test_threads_may_share_it() -> None:
    """Threads that read, keep and drop the same few keys at once see whole answers, and leave its books in order."""
    near = near_cache(size=3, shared=True)
    answers, failures = set[object](), list[BaseException]()

    def work(number: int) -> None:
        try:
            for round_ in range(1_000):
                key = f"k{(number + round_) % 5}"
                near.put(near.ticket(0), key, encode(Entry(key, 0.0)), ("t",))
                answers.add(near.get(key, str, 0) in (key, ABSENT))
                near.drop([b"{ns:tag:t}:version" if round_ % 50 == 0 else b"ns:k1"])
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert answers == {True}
    assert near._tagged.get("t", set()) == set(near._entries)


TAGS = {
    "plain": ("ns:", "city:Dakar"),
    "the namespace has a hash tag": ("{ns}:", "city:Dakar"),
    "the tag has one": ("ns:", "city:{Dakar}"),
}


@pytest.mark.parametrize("shape", TAGS)
def test_a_tag_moves_whatever_its_version_is_called(shape: str, valkey_url: str, wait_until: "WaitUntil") -> None:
    """A tag that another process invalidates takes its entries along, hash tags in its version's name or not."""
    namespace, tag = TAGS[shape]
    namespace = namespace.replace("ns", f"test-{uuid4().hex}")
    with (
        connect(valkey_url, namespace=namespace, patience=5, near=(10, 600)) as cache,
        connect(valkey_url, namespace=namespace, patience=5) as other,
    ):
        other.set("k", "old", ttl=600, tags=[tag])
        wait_until(lambda: cache.get("k") == "old" and len(cache._near or ()) == 1)
        other.invalidate_tags(tag)
        wait_until(lambda: cache.get("k") is MISSING)


def test_what_lacks_a_tag_is_not_answered_to_who_names_it(valkey_url: str, wait_until: "WaitUntil") -> None:
    """An entry without the tag lies near: who asks with the tag loads, as it would without a near cache."""
    with connect(valkey_url, namespace=f"test-{uuid4().hex}:", patience=5, near=(10, 600)) as cache:
        cache.set("k", "old", ttl=600)
        wait_until(lambda: cache.get("k") == "old" and len(cache._near or ()) == 1)
        cache.invalidate_tags("t")
        assert cache.get_or_set("k", lambda: "new", ttl=600, tags=["t"]) == "new"


@pytest.mark.parametrize("how", ["get", "get_many"])
def test_without_a_listener_nothing_outlives_its_ttl(cloud: Cloud, how: str) -> None:
    """Over REST nobody tells that an entry has expired: it stays near no longer than the server keeps it."""
    target = rest(cloud.upstash_url, cloud.upstash_token)
    with connect(target, namespace=f"test-{uuid4().hex}:", patience=5, near=(10, 600)) as cache:
        assert cache.set("k", "value", ttl=60)
        assert cache.get("k") == "value" if how == "get" else cache.get_many(["k"]) == {"k": "value"}
        latest = cache._clock.now() + 60
        assert cache._near
        assert cache._near.get("k", Any, latest - 60) == "value"
        assert cache._near.get("k", Any, latest) is ABSENT


@pytest.mark.parametrize("answered", [True, False], ids=["answered", "the answer is lost"])
def test_what_this_process_reloads_is_not_given_from_near(cloud: Cloud, answered: bool) -> None:
    """Over REST nobody tells of a refresh: once it returned, what lay near before is not given any more."""
    target = rest(cloud.upstash_url, cloud.upstash_token)
    with connect(target, namespace=f"test-{uuid4().hex}:", patience=5, near=(10, 600), ttl=600) as cache:
        send = cache._port.send

        async def losing(*command: "Argument") -> "Reply":
            reply = await send(*command)
            if word(command) == "settle" and not answered:
                raise CacheUnavailable("lost")
            return reply

        cache._port.send = losing  # type: ignore[method-assign]  # the one place every command goes through
        cache.set("k", "old")
        assert cache.get("k") == "old"
        assert len(cache._near or ()) == 1
        assert cache.refresh("k", lambda: "new") == "new"
        assert cache.get("k") == "new"
