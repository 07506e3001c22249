"""Invalidation messages: what each tells the follower, and when silence counts as loss."""

from collections.abc import Iterable

import pytest

from dousell_cache.transport.invalidations import PING_SECONDS, LostError, Subscription, prefixes, tracking

PATIENCE = 0.25


class Diary:
    """A follower that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def drop(self, names: Iterable[bytes]) -> None:
        """Write down names."""
        self.told.append(list(names))

    def flush(self) -> None:
        """Write down a flush."""
        self.told.append("flush")

    def trust(self, until: float) -> None:
        """Write down until when."""
        self.told.append(until)

    def distrust(self) -> None:
        """Write down distrust."""
        self.told.append("distrust")


def begun() -> tuple[Subscription, Diary]:
    """Return a subscription asked for at time 10, and a diary of what it tells from then on."""
    diary = Diary()
    subscription = Subscription(diary, PATIENCE, 10.0)
    assert diary.told == ["flush", 10 + PING_SECONDS + PATIENCE]
    diary.told.clear()
    return subscription, diary


@pytest.mark.parametrize(
    ("namespace", "followed"),
    [
        ("", []),
        ("shop:", ["shop:", "{shop:tag:"]),
        ("{shop}:", ["{shop}:", "{{shop}:tag:"]),
        ("{", ["{"]),
        ("{{", ["{{"]),
    ],
)
def test_no_prefix_begins_another(namespace: str, followed: list[str]) -> None:
    """What is followed covers keys and tag versions, without the overlap that servers refuse."""
    assert prefixes(namespace) == followed


def test_the_command_names_the_client_and_the_prefixes() -> None:
    """Tracking is asked for in broadcast mode, redirected to this client, for each prefix."""
    assert tracking(7, "a:") == [
        "CLIENT",
        "TRACKING",
        "ON",
        "REDIRECT",
        7,
        "BCAST",
        "PREFIX",
        "a:",
        "PREFIX",
        "{a:tag:",
    ]
    assert tracking(7, "")[-1] == "BCAST"


def test_messages_are_told_as_they_come() -> None:
    """Names are dropped, no names at all means everything, and neither is an answer to a ping."""
    subscription, diary = begun()
    subscription.received([b"message", b"c", [b"a", b"b"]])
    subscription.received([b"message", b"c", None])
    assert diary.told == [[b"a", b"b"], "flush"]


@pytest.mark.parametrize("reply", [b"OK", None, [], [b"subscribe", b"c", 1], [b"message", b"c", b"a"], 7])
def test_anything_else_is_a_loss(reply: object) -> None:
    """A reply that has no place in a subscription ends it: something between here and the server is confused."""
    with pytest.raises(LostError):
        begun()[0].received(reply)


def test_a_ping_is_sent_once_an_interval() -> None:
    """A ping is due an interval after the last one was sent, and not before that one was answered."""
    subscription, _ = begun()
    assert [subscription.ping(10.9), subscription.ping(11.0), subscription.ping(99.0)] == [False, True, False]
    subscription.received([b"pong", b""])
    assert [subscription.ping(11.9), subscription.ping(12.0)] == [False, True]


def test_an_answer_is_trusted_until_the_next_is_late() -> None:
    """Trust reaches an interval and the patience beyond the sending of the answered ping, however late its answer."""
    subscription, diary = begun()
    subscription.ping(11.5)
    subscription.received([b"pong", b""])
    assert diary.told == [11.5 + PING_SECONDS + PATIENCE]


def test_waiting_ends_with_the_next_ping_or_the_patience() -> None:
    """It waits until a ping is due; after one, as long as its answer may take; never for a negative time."""
    subscription, _ = begun()
    assert [subscription.wait(10.5), subscription.wait(12.0)] == [0.5, 0.0]
    subscription.ping(11.0)
    assert [subscription.wait(11.125), subscription.wait(12.0)] == [0.125, 0.0]


def test_silence_is_a_loss_only_if_a_ping_is_unanswered() -> None:
    """No messages are no loss; an unanswered ping is one, to a read that began when its patience was already over."""
    subscription, _ = begun()
    subscription.silent(99.0)
    subscription.ping(11.0)
    subscription.silent(11.0)
    subscription.silent(11.0 + PATIENCE - 0.01)
    with pytest.raises(LostError):
        subscription.silent(11.0 + PATIENCE)
