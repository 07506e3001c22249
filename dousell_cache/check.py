"""The connection test: does the cache here answer, keep, forget, speed up, and refuse a second claim?

It touches only keys of its own, under a random namespace, which it removes and which expire within a minute. Beside it
the start-up audit: what the server says of itself, and what that means for locks.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError
from typing import Any

import msgspec

from .audit import Audit, audit
from .cache import Cache
from .environments import Environment
from .errors import CacheError, LockBusy, installing
from .face import Defaults
from .inquiry import ask
from .runner import run_blocking
from .transport.connect import Place, blocking_transport
from .transport.port import Argument, BlockingTransport, Reply
from .transport.redaction import chain

PATIENCE = 5.0
"""Seconds: a connection test waits out a slow network, where a site would go to the origin."""

STEPS = 7
"""How many steps the test has when nothing stops it."""

_TTL_MS = 60_000
_STAND_IN_SECONDS = 0.05


class Step(msgspec.Struct, frozen=True):
    """One step of the connection test.

    Args:
        name: what was tried.
        passed: whether it went as it should.
        detail: what was seen, or why it failed, in one sentence.
        ms: how long it took.
    """

    name: str
    passed: bool
    detail: str
    ms: float


class StepFailed(Exception):
    """A server answered, but not as a cache should."""


class Check:
    """The connection test against one place; :meth:`steps` runs it.

    Args:
        place: where the cache is.
    """

    def __init__(self, place: Place) -> None:
        self._environment = place.environment
        self._transport: BlockingTransport = blocking_transport(place.environment, PATIENCE)
        self._namespace = f"dousell-check:{secrets.token_hex(4)}:"
        self._cache = Cache(self._transport, place, self._namespace, Defaults(breaker=False, lock_patience=PATIENCE))

    def steps(self) -> Iterator[Step]:
        """Run the test step by step; the first step that no server answers is the last."""
        tests: tuple[tuple[str, Callable[[], str]], ...] = (
            ("connection", self._connection),
            ("SET", self._set),
            ("GET", self._get),
            ("EXISTS", self._exists),
            ("DEL", self._delete),
            ("cache-aside", self._cache_aside),
            ("one payment at a time", self._race),
        )
        for name, test in tests:
            step, reachable = self._try(name, test)
            yield step
            if not reachable:
                return

    def audit(self) -> Audit:
        """Ask the server about itself and judge what it tells; whatever it refuses is "unknown", never a failure."""
        deadline = time.monotonic() + PATIENCE
        told = run_blocking(ask(self._transport, lambda: max(0.0, deadline - time.monotonic()), time.time))
        return audit(told)

    def close(self) -> None:
        """Close the connections."""
        self._cache.close()

    def _try(self, name: str, test: Callable[[], str]) -> tuple[Step, bool]:
        started = time.perf_counter()
        try:
            passed, detail, reachable = True, test(), True
        except StepFailed as failure:
            passed, detail, reachable = False, str(failure), True
        except CacheError as error:
            passed, detail, reachable = False, diagnosis(error, self._environment), False
        return Step(name, passed, detail, round((time.perf_counter() - started) * 1000, 3)), reachable

    def _connection(self) -> str:
        first, second = self._cache.ping(), self._cache.ping()
        return f"{first * 1000:.1f} ms with connecting, then {second * 1000:.1f} ms a round trip"

    def _set(self) -> str:
        self._expect(b"OK", "SET", "hello", "Dakar", "PX", _TTL_MS)
        return "stored a value for a minute"

    def _get(self) -> str:
        self._expect(b"Dakar", "GET", "hello")
        return "read it back unchanged"

    def _exists(self) -> str:
        self._expect(1, "EXISTS", "hello")
        return "the key is there"

    def _delete(self) -> str:
        self._expect(1, "DEL", "hello")
        self._expect(0, "EXISTS", "hello")
        return "and gone after deletion"

    def _cache_aside(self) -> str:
        miss = self._timed_read()
        hit = self._timed_read()
        counters = self._cache.counters()
        if (counters.misses, counters.hits) != (1, 1):
            message = f"expected one miss and one hit, saw {counters.misses} and {counters.hits}"
            raise StepFailed(message)
        self._cache.invalidate("page")
        stand_in = f"stand-in loader of {_STAND_IN_SECONDS * 1000:.0f} ms"
        return f"miss {miss:.1f} ms, hit {hit:.1f} ms: {miss / hit:.0f} times faster ({stand_in})"

    def _timed_read(self) -> float:
        def load() -> str:
            time.sleep(_STAND_IN_SECONDS)
            return "Villa aux Almadies"

        started = time.perf_counter()
        self._cache.get_or_set("page", load, ttl=_TTL_MS / 1000)
        return (time.perf_counter() - started) * 1000

    def _race(self) -> str:
        both_asked = Barrier(2)

        def pay(_: int) -> int:
            with suppress(BrokenBarrierError):  # the other one says why
                return claim()
            return 0

        def claim() -> int:
            try:
                with self._cache.lock("payment", _TTL_MS / 1000):
                    both_asked.wait()
                    return 1
            except LockBusy:
                both_asked.wait()
            except CacheError:
                both_asked.abort()
                raise
            return 0

        with ThreadPoolExecutor(2) as payers:
            paid = sum(payers.map(pay, range(2)))
        self._send("DEL", f"{{{self._namespace}payment}}:fence")
        if paid != 1:
            message = f"two payments asked for one slot and {paid} got it"
            raise StepFailed(message)
        return "two payments raced for one slot, one got it"

    def _expect(self, wanted: Reply, name: str, key: str, *arguments: Argument) -> None:
        seen = self._send(name, self._namespace + key, *arguments)
        if seen != wanted:
            message = f"{name} answered {seen!r} where {wanted!r} was expected"
            raise StepFailed(message)

    def _send(self, *command: Argument) -> Reply:
        return run_blocking(_as_flow(self._transport, command))


async def _as_flow(transport: BlockingTransport, command: tuple[Argument, ...]) -> Reply:
    return await transport.send(*command)


# What an error's text, or that of one of its causes, says; and what it means to the person at the keyboard.
_MEANINGS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("degraded mode",), f"there is no cache here: start a Valkey, set {{setting}}, or {installing('lab')}"),
    (("WRONGPASS", "Unauthorized", "NOAUTH", "AUTH", "invalid username"), "the server refuses {credential}"),
    (("DB index",), "there is no such database: check the number at the end of {setting}"),
    (
        ("CERTIFICATE_VERIFY_FAILED",),
        "the server's TLS certificate is not trusted here: check the host name in {setting}",
    ),
    (
        ("WRONG_VERSION_NUMBER", "record layer", "SSL:"),
        "TLS failed: {address} may not speak TLS; try {other_scheme} in {setting}",
    ),
    (("Name or service", "nodename", "getaddrinfo", "Temporary failure in name"), "no such host: check {setting}"),
    (
        ("refused", "Connect call failed", "No such file"),
        "nothing listens at {address}: start the server or check {setting}",
    ),
    (("imeout", "timed out"), "no answer from {address} within {patience:g} s: check {setting}{perhaps_tls}"),
    (
        ("not an Upstash",),
        "what answers at {address} is not an Upstash REST endpoint, or one that fails: check {setting}",
    ),
    (
        ("closed", "reset by peer", "disconnected", "Protocol"),
        "{address} hung up: it may want {other_scheme} or not be {wanted} at all; check {setting}",
    ),
)
_OTHER_SCHEMES = {"redis": "rediss://", "rediss": "redis://", "http": "https://", "https": "http://"}


def diagnosis(error: CacheError, environment: Environment) -> str:
    """Say in one sentence, without credentials, what an error means and which setting to look at."""
    told = " | ".join(f"{type(cause).__name__}: {cause}" for cause in chain(error))
    for marks, meaning in _MEANINGS:
        if any(mark in told for mark in marks):
            return meaning.format(**_words(environment))
    return str(error)


def _words(environment: Environment) -> dict[str, Any]:
    """Return what the sentences above say about one environment."""
    setting = environment.source if environment.source.isupper() else "the URL"
    scheme = environment.url.partition(":")[0]
    over_tls = scheme in {"rediss", "https"}
    token = setting.replace("_URL", "_TOKEN") if environment.source.isupper() else "it"
    return {
        "setting": "REDIS_URL" if environment.source == "default" else setting,
        "address": environment.address,
        "patience": PATIENCE,
        "other_scheme": _OTHER_SCHEMES.get(scheme, "another scheme"),
        "perhaps_tls": ", and whether that port speaks TLS" if over_tls else " and the firewall",
        "wanted": "an Upstash endpoint" if environment.kind == "rest" else "a Redis",
        "credential": f"the token: check {token}"
        if environment.kind == "rest"
        else f"the user or password in {setting}",
    }


def summary(environment: Environment, steps: list[Step], found: Audit | None) -> dict[str, Any]:
    """Return the connection test and the audit as ``dousell-cache check --json`` prints them (schema version 1)."""
    return {
        "schema": "dousell-cache/check",
        "version": 1,
        "environment": {
            "name": environment.name,
            "kind": environment.kind,
            "address": environment.address,
            "emulated": environment.emulated,
        },
        "steps": [msgspec.structs.asdict(step) for step in steps],
        "passed": sum(step.passed for step in steps),
        "total": STEPS,
        "audit": msgspec.to_builtins(found),
    }
