"""A webhook gets each notice signed, with its id, again while that may help; and nobody is told its address."""

import hashlib
import hmac
import json
import logging
from email.utils import formatdate

import msgspec
import pytest

from dousell_cache.errors import ConfigurationError
from dousell_cache.monitor.alert_rules import rules
from dousell_cache.monitor.alerts import Notice, step
from dousell_cache.monitor.delivery import (
    SECRET_VARIABLE,
    URL_VARIABLE,
    Webhook,
    payload,
    send,
    signature,
    webhook,
)
from dousell_cache.reporting.redact import redactor

from .samples import look
from .webhooks import receiving

SECRET = "c4n4ry-s3cret"
NOW = 1_795_000_000.0


def a_notice() -> Notice:
    """Return the notice of a low hit rate."""
    return step({}, look(hit_rate=(0.7, 0.68, 0.72)), rules())[1][0]


NOTICE = a_notice()


class Waits:
    """Notes how long one would have waited, and does not."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        """Note it."""
        self.seconds.append(seconds)


def test_a_notice_is_signed_as_slack_signs() -> None:
    """The signature over timestamp and body, computed here by hand, is the one in the header; the id is the key."""
    with receiving() as receiver:
        done = send(Webhook(receiver.url, SECRET), NOTICE, now=lambda: NOW)
    (request,) = receiver.received
    assert done.delivered
    assert request.path == "/services/T0/c4n4ry-p4th"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["X-Dousell-Timestamp"] == "1795000000"
    expected = hmac.new(SECRET.encode(), b"v0:1795000000:" + request.body, hashlib.sha256).hexdigest()
    assert request.headers["X-Dousell-Signature"] == f"v0={expected}"
    assert receiver.keys == [NOTICE.id]
    assert msgspec.convert(json.loads(request.body)["notice"], Notice) == NOTICE


def test_the_signature_is_the_one_of_slacks_own_example() -> None:
    """The secret, timestamp and body in Slack's documentation give the signature that it prints.

    https://api.slack.com/authentication/verifying-requests-from-slack
    """
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    expected = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    assert signature("8f742231b10e8888abcd99yyyzzz85a5", 1531420618, body) == expected


def test_without_a_secret_nothing_is_signed() -> None:
    """As for Slack itself, whose address is the secret."""
    with receiving() as receiver:
        assert send(Webhook(receiver.url), NOTICE).delivered
    assert not [name for name in receiver.received[0].headers if name.startswith("X-Dousell")]


def test_slack_can_show_it() -> None:
    """Text and blocks within Slack's limits, in plain text, so that nothing in them is a mention or a link."""
    told = payload(msgspec.structs.replace(NOTICE, cause="<!channel> & <http://x|y>" + "z" * 5000, label="l" * 200))
    header, section, context = told["blocks"]
    assert "<" not in told["text"]
    assert told["text"].startswith("FIRING: lll")
    assert "Likely cause: &lt;!channel&gt; &amp; &lt;http" in told["text"]
    assert {block["text"]["type"] for block in (header, section)} == {context["elements"][0]["type"]} == {"plain_text"}
    assert len(header["text"]["text"]) == 150
    assert len(section["text"]["text"]) <= 3000
    assert section["text"]["text"].startswith(NOTICE.figure)


def test_it_is_tried_again_with_pauses_that_grow() -> None:
    """Three answers that may change, then one that takes it: four requests of one key, between them growing pauses."""
    waits = Waits()
    with receiving([(500, {}), (503, {}), (408, {})]) as receiver:
        done = send(Webhook(receiver.url), NOTICE, wait=waits)
    assert done.delivered
    assert receiver.keys == [NOTICE.id] * 4
    for waited, least in zip(waits.seconds, (1, 2, 4), strict=True):
        assert least <= waited <= 1.5 * least


def test_it_is_not_tried_for_ever() -> None:
    """After four attempts it is left for the next run, and what was said is told without the address."""
    with receiving([(500, {})] * 9) as receiver:
        done = send(Webhook(receiver.url), NOTICE, wait=Waits())
    assert (done.delivered, done.given_up, done.reason) == (False, False, "127.0.0.1 answered 500")
    assert len(receiver.received) == 4


@pytest.mark.parametrize(
    ("told", "waited"), [("7", 7.0), (formatdate(NOW + 9, usegmt=True), 9.0), (formatdate(NOW - 9, usegmt=True), 0.0)]
)
def test_a_receiver_that_asks_to_wait_is_heeded(told: str, waited: float) -> None:
    """Retry-After of a 429, in seconds or as a date, is the pause."""
    waits = Waits()
    with receiving([(429, {"Retry-After": told})]) as receiver:
        done = send(Webhook(receiver.url), NOTICE, wait=waits, now=lambda: NOW)
    assert done.delivered
    assert waits.seconds == [waited]


@pytest.mark.parametrize(("told", "after"), [("61", 61.0), ("9" * 400, 86_400.0)])
def test_a_receiver_that_asks_for_too_much_is_left_for_the_next_run(told: str, after: float) -> None:
    """Beyond one's patience nobody waits, and when to come back is told."""
    waits = Waits()
    with receiving([(429, {"Retry-After": told})]) as receiver:
        done = send(Webhook(receiver.url), NOTICE, wait=waits)
    assert (done.delivered, done.given_up, done.after) == (False, False, after)
    assert waits.seconds == []
    assert len(receiver.received) == 1


@pytest.mark.parametrize(
    ("status", "said"),
    [(404, "check the webhook's address and secret"), (403, "check the"), (302, "name the address where it is now")],
)
def test_a_refusal_is_final(status: int, said: str) -> None:
    """What will be refused again is not sent again, and a redirect is not followed with the notice."""
    with receiving([(status, {"Location": "http://127.0.0.1:1/"})]) as receiver:
        done = send(Webhook(receiver.url), NOTICE, wait=Waits())
    assert (done.delivered, done.given_up) == (False, True)
    assert said in done.reason
    assert len(receiver.received) == 1


def test_nobody_there_is_tried_again() -> None:
    """A refused connection may be a restart: it is told by its host, and left for the next run."""
    waits = Waits()
    done = send(Webhook("http://127.0.0.1:1/c4n4ry"), NOTICE, wait=waits)
    assert (done.delivered, done.given_up, done.reason) == (False, False, "127.0.0.1 did not answer: ConnectError")
    assert len(waits.seconds) == 3


def test_attempts_count_against_the_patience() -> None:
    """A receiver that takes long to fail is not tried four times all the same."""
    moments = iter([0.0, 0.0, 59.5])
    with receiving([(500, {})] * 9) as receiver:
        done = send(Webhook(receiver.url), NOTICE, patience=60, wait=Waits(), clock=lambda: next(moments))
    assert not done.delivered
    assert len(receiver.received) == 2


def test_without_patience_it_is_tried_once() -> None:
    """A live view does not stand still for a webhook."""
    with receiving([(500, {})]) as receiver:
        done = send(Webhook(receiver.url), NOTICE, patience=0, wait=Waits())
    assert not done.delivered
    assert done.after >= 1
    assert len(receiver.received) == 1


def test_neither_address_nor_secret_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """In no repr, no reason and no log line of any library, whatever the level; and reports mask both."""
    caplog.set_level(logging.DEBUG)
    with receiving([(500, {}), (404, {})]) as receiver:
        to = Webhook(receiver.url, SECRET)
        done = send(to, NOTICE, wait=Waits())
    told = f"{to!r} {done!r} {caplog.text}"
    assert "c4n4ry" not in told
    redact = redactor({URL_VARIABLE: receiver.url, SECRET_VARIABLE: SECRET})
    assert "c4n4ry" not in redact(f"{receiver.url} {SECRET}")


def test_the_webhook_is_found_in_the_environment() -> None:
    """Both variables, without the blanks that a copy may bring; none is none."""
    assert webhook({}) is None
    assert webhook({URL_VARIABLE: "", SECRET_VARIABLE: ""}) is None
    found = webhook({URL_VARIABLE: " https://hooks.example/x\n", SECRET_VARIABLE: f"{SECRET}\n"})
    assert found == Webhook("https://hooks.example/x", SECRET)
    assert found
    assert found.host == "hooks.example"


@pytest.mark.parametrize(
    "url",
    ["hooks.example/c4n4ry", "http://hooks.example/c4n4ry", "ftp://c4n4ry", "https://", "\x00"],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    """One sentence that names the variable and not its value: https, or http to this machine."""
    with pytest.raises(ConfigurationError) as refused:
        Webhook(url)
    assert str(refused.value).startswith(f"{URL_VARIABLE} must begin with https://")
    assert "c4n4ry" not in str(refused.value)
    assert refused.value.__context__ is None


def test_a_secret_without_an_address_is_refused() -> None:
    """Somebody meant to be told, and would not be."""
    with pytest.raises(ConfigurationError, match=f"{SECRET_VARIABLE} is set and {URL_VARIABLE} is not"):
        webhook({SECRET_VARIABLE: SECRET})
