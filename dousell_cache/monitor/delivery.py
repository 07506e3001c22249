"""How a notice reaches somebody: a signed webhook that Slack understands, tried again with patience, never quoted.

The address of a webhook is a credential (whoever knows a Slack one may post there), so neither it nor the secret is in
any repr, message or log line: httpx's client logs every address it asks for, so its transport is used by itself.
"""

import hashlib
import hmac
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import httpx
import msgspec

from ..errors import ConfigurationError
from .alerts import Notice

URL_VARIABLE, SECRET_VARIABLE = "DOUSELL_CACHE_WEBHOOK_URL", "DOUSELL_CACHE_WEBHOOK_SECRET"
_TIMEOUT = {"connect": 5.0, "read": 10.0, "write": 5.0, "pool": 5.0}
_PAUSES = (1.0, 2.0, 4.0)
_SHORT_OF_BREATH = frozenset({408, 425, 429})  # with every 5xx: the same request may be taken later
_LONGEST_WAIT = 86_400.0  # a receiver that asks for more is asked again tomorrow
_LONGEST = 2_900  # characters of a block's text; Slack takes 3,000
_LOCAL = {"localhost", "127.0.0.1", "::1"}
WORDS = {"fired": "FIRING", "reminder": "STILL FIRING", "resolved": "RESOLVED"}


@dataclass(frozen=True)
class Webhook:
    """Where notices go.

    Args:
        url: https; http only to this machine. Kept out of every repr.
        secret: what they are signed with; "" for none. Kept out of every repr.
    """

    url: str = field(repr=False)
    secret: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not _secure(self.url):
            message = f"{URL_VARIABLE} must begin with https:// and name a host (http:// only to this machine)"
            raise ConfigurationError(message)

    @property
    def host(self) -> str:
        """The part of its address that may be told."""
        return httpx.URL(self.url).host


def _secure(url: str) -> bool:
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return bool(address.host) and (address.scheme == "https" or (address.scheme == "http" and address.host in _LOCAL))


def webhook(environ: Mapping[str, str]) -> Webhook | None:
    """Return the webhook that the environment variables name, None if they name none.

    Raises:
        ConfigurationError: the address is none, or there is a secret and no address.
    """
    url, secret = (environ.get(name, "").strip() for name in (URL_VARIABLE, SECRET_VARIABLE))
    if secret and not url:
        message = f"{SECRET_VARIABLE} is set and {URL_VARIABLE} is not: there is nowhere to send notices to"
        raise ConfigurationError(message)
    return Webhook(url, secret) if url else None


def payload(notice: Notice) -> dict[str, Any]:
    """Return a notice as Slack's incoming webhooks take it, with the notice itself beside for other receivers.

    Slack's own shape: https://api.slack.com/messaging/webhooks
    """
    head = f"{WORDS[notice.kind]}: {notice.label} ({notice.environment})"
    where = f"{notice.cache}, since {notice.since}, seen {notice.at}" + (notice.emulated and f", {notice.emulated}")
    lines = [notice.figure, *([f"Likely cause: {notice.cause}.", f"Next: {notice.step}."] if notice.cause else [])]
    blocks = [
        {"type": "header", "text": _plain(head, 150)},
        {"type": "section", "text": _plain("\n".join(lines), _LONGEST)},
        {"type": "context", "elements": [_plain(where, _LONGEST)]},
    ]
    return {"text": _escaped(f"{head}. {' '.join(lines)}"), "blocks": blocks, "notice": msgspec.to_builtins(notice)}


def _plain(text: str, longest: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": text if len(text) <= longest else f"{text[: longest - 1]}…", "emoji": False}


def _escaped(text: str) -> str:
    """Return a text in which nothing is a mention or a link (Slack's control characters)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a body sent at a time: Slack's scheme v0.

    ``v0=`` and the hexadecimal HMAC-SHA256, keyed with the secret, of ``v0:<timestamp>:<body>``
    (https://api.slack.com/authentication/verifying-requests-from-slack). A receiver compares it in constant time, and
    refuses a timestamp that is more than five minutes off.
    """
    digest = hmac.new(secret.encode(), b"v0:%d:" % timestamp + body, hashlib.sha256)
    return f"v0={digest.hexdigest()}"


class Answer(NamedTuple):
    """How one attempt ended.

    Args:
        delivered: whether it was taken.
        again: whether the same request may be taken later.
        reason: why it was not taken, without the address.
        after: seconds that the receiver asks to wait.
    """

    delivered: bool
    again: bool = False
    reason: str = ""
    after: float | None = None


@dataclass(frozen=True)
class Delivery:
    """How sending one notice ended.

    Args:
        delivered: whether it was taken.
        given_up: whether it never will be: the receiver refuses it, and not for being busy.
        reason: why it was not taken, in words without the address.
        after: seconds before which it should not be tried again.
    """

    delivered: bool
    given_up: bool = False
    reason: str = ""
    after: float = 0.0


def send(
    to: Webhook,
    notice: Notice,
    patience: float = 60.0,
    *,
    wait: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.time,
    clock: Callable[[], float] = time.monotonic,
) -> Delivery:
    """Send a notice, and try again while that may help.

    Args:
        to: where.
        notice: what; its id is the ``Idempotency-Key`` of every attempt.
        patience: seconds after which no attempt begins any more; a receiver that asks for more is left for the next
            run. Default a minute, which is what a cron job has; 0 tries once.
        wait: waits for so many seconds.
        now: the time, in seconds since 1970.
        clock: monotonic seconds.
    """
    body = msgspec.json.encode(payload(notice))
    pauses, begun = iter(_PAUSES), clock()
    while True:
        answer = attempt(to, notice.id, body, int(now()))
        if answer.delivered or not answer.again:
            return Delivery(answer.delivered, not answer.delivered, answer.reason)
        pause = next(pauses, None)
        after = answer.after if answer.after is not None else (pause or 0.0) * random.uniform(1.0, 1.5)  # noqa: S311 - jitter
        if pause is None or clock() - begun + after > patience:
            return Delivery(delivered=False, reason=answer.reason, after=after)
        wait(after)


def attempt(to: Webhook, key: str, body: bytes, timestamp: int) -> Answer:
    """Send a body once; what comes back is no more than a status and how long to wait."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": key, "User-Agent": "dousell-cache"}
    if to.secret:
        signed = {"X-Dousell-Timestamp": str(timestamp), "X-Dousell-Signature": signature(to.secret, timestamp, body)}
        headers |= signed
    try:
        request = httpx.Request("POST", to.url, headers=headers, content=body, extensions={"timeout": _TIMEOUT})
        with httpx.HTTPTransport() as transport:
            response = transport.handle_request(request)
            response.close()  # the body is of no interest, however long it is
    except httpx.HTTPError as error:
        return Answer(delivered=False, again=True, reason=f"{to.host} did not answer: {type(error).__name__}")
    return _judged(to, response, timestamp)


def _judged(to: Webhook, response: httpx.Response, timestamp: int) -> Answer:
    status = response.status_code
    if 200 <= status < 300:
        return Answer(delivered=True)
    reason = f"{to.host} answered {status}"
    if status in _SHORT_OF_BREATH or status >= 500:
        return Answer(delivered=False, again=True, reason=reason, after=_retry_after(response, timestamp))
    moved = ": name the address where it is now" if 300 <= status < 400 else ": check the webhook's address and secret"
    return Answer(delivered=False, reason=reason + moved)


def _retry_after(response: httpx.Response, timestamp: int) -> float | None:
    """Return the seconds that a receiver asks to wait: a number, or a date (RFC 9110, 10.2.3)."""
    told = response.headers.get("Retry-After", "").strip()
    if told.isdecimal():
        return min(float(told), _LONGEST_WAIT)
    try:
        return min(max(0.0, parsedate_to_datetime(told).timestamp() - timestamp), _LONGEST_WAIT)
    except (ValueError, OverflowError):
        return None
