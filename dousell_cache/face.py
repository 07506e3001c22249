"""What both faces share: where the cache is, who watches, and how the options of a call are settled."""

import os
import random
import time
import weakref
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypedDict

from .context import Call, Context
from .debts import Debts, Withdrawal
from .entries import checked_type
from .environments import Environment
from .errors import ConfigurationError
from .events import Counters, Observer, Observers, Read, Tally
from .flights import Flights
from .flushing import flush, flush_all
from .keys import Names, hash_tag
from .loading import Asked
from .locks import Asking
from .lookups import looked_up
from .near import ABSENT, NearCache, NearOptions
from .policy import LEASE_SECONDS, Policy, Ttl, checked_key, checked_tags, milliseconds, resolved
from .reads import Reads
from .recording import Recorder
from .renewals import Renewals
from .store import Server
from .terms import MAX_TTL_SECONDS, MIN_TTL_SECONDS, PATIENCE_SECONDS, checked_patience
from .terms import resolved as resolved_terms
from .transport.connect import Place
from .transport.counted import CountedTransport
from .transport.patience import Breaker, Guarded
from .transport.port import Argument, AsyncTransport, BlockingTransport, Clock, Reply

Near = NearOptions | tuple[int, float] | None


class Keeping(TypedDict, total=False):
    """How an entry is kept: the options of a call. What is left out is as :func:`dousell_cache.connect` was told.

    Args:
        ttl: how long the value is fresh: seconds or a timedelta, 1 ms to 10 years.
        grace: how long after that it may still be served while one caller refreshes it, or while the origin fails,
            which is then tried once every 5 s; default 0, not at all.
        jitter: the share of ``ttl`` by which it may expire earlier, at random, so that entries stored together do not
            expire together; default 0, and 0.1 for ``warm`` and ``set_many``.
        early: how eagerly one caller refreshes it before it expires: 1 as the XFetch paper has it, more is earlier;
            default 0, never.
        background: whether a refresh runs behind the caller that found it due, which is served at once, or in it;
            default in it: a serverless function may be frozen as soon as it has answered.
        cache_if: decides by the value whether it is stored; default always. A loader may also return ``skip(value)``.
    """

    ttl: Ttl | None
    grace: Ttl | None
    jitter: float | None
    early: float | None
    background: bool | None
    cache_if: Callable[[Any], bool] | None


class LockOptions(TypedDict, total=False):
    """How a lock is taken and kept.

    Args:
        renew: whether it is extended, a third of its ttl after the other, as long as it is held; default no, so that a
            body that hangs, or whoever forgets to release what ``acquire()`` returned, does not keep it for ever.
        fair: whether it lets those pass who already wait, also when it has just come free by itself, and also over
            REST; default no.
        on_lost: called once with what is held, as soon as it is known to be lost: by a renewal, or because its time is
            over; in a thread (or task) of its own, or by the call that finds out. It cannot stop the body.
        min_ttl: what a ttl is refused below, in seconds; default 0.1.
        max_ttl: what a ttl is refused beyond, in seconds: it may be milliseconds by mistake; default 300.
    """

    renew: bool
    fair: bool
    on_lost: Callable[[Any], object] | None
    min_ttl: float
    max_ttl: float


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the calls of a cache go by unless they say otherwise; see :func:`dousell_cache.connect`."""

    ttl: Ttl | None = None
    grace: Ttl = 0
    jitter: float | None = None
    early: float = 0.0
    background: bool = False
    lease: Ttl = LEASE_SECONDS
    near: Near = None
    breaker: bool = True
    lock_patience: float = PATIENCE_SECONDS
    figures: bool = False

    def __post_init__(self) -> None:
        """Refuse options that make no sense where they are given, not at the first call."""
        resolved(1 if self.ttl is None else self.ttl, self.grace, self.jitter or 0.0, self.early, self.background)
        milliseconds("lease", self.lease)
        checked_patience(self.lock_patience)
        for name, value in (("breaker", self.breaker), ("figures", self.figures)):
            if not isinstance(value, bool):
                message = f"{name} must be True or False, not {value!r}"
                raise ConfigurationError(message)
        _near_options(self.near)


def _near_options(near: Any) -> NearOptions | None:
    if near is None or isinstance(near, NearOptions):
        return near
    if not isinstance(near, tuple) or len(near) != 2:
        message = f"near must be (size, age), such as (10_000, 5.0), or NearOptions, not {near!r}"
        raise ConfigurationError(message)
    return NearOptions(*near)


class Face:
    """Where a cache is, who watches it, and its options, settled once.

    Args:
        transport: how commands get there.
        place: the environment it reaches.
        namespace: put before every key, as it is.
        defaults: what calls go by unless they say otherwise.
        clock: time, and waiting.
    """

    def __init__(
        self,
        transport: BlockingTransport | AsyncTransport,
        place: Place,
        namespace: str,
        defaults: Defaults,
        clock: Clock,
    ) -> None:
        if not isinstance(namespace, str):
            message = f"namespace must be a string, not {namespace!r}"
            raise ConfigurationError(message)
        self._place = place
        self._namespace = namespace
        self._defaults = defaults
        self._clock = clock
        self._tally = Tally()
        self._observers = Observers(self._tally)
        self._has_cache = place.environment.kind != "none"
        self._recorder = self._recording() if defaults.figures else None
        self._raw_port = CountedTransport(transport, self._look) if self._recorder else transport
        near = _near_options(defaults.near)
        self._near = NearCache(near, namespace, followed=self._is_followed) if near else None
        self._debts = Debts()
        self._context = self._fresh_context()
        _faces.add(self)

    @property
    def environment(self) -> Environment:
        """Where the code runs and which cache it found."""
        return self._place.environment

    @property
    def namespace(self) -> str:
        """What stands before every key on the server."""
        return self._namespace

    @property
    def recorder(self) -> Recorder | None:
        """What this process's figures are recorded by; None unless ``figures=True``."""
        return self._recorder

    def counters(self) -> Counters:
        """Return how reads ended and what they cost so far, in this process, in all and for each key family."""
        return self._tally.counters()

    def subscribe(self, observer: Observer) -> Callable[[], None]:
        """Hand every event to an observer and return the function that ends it.

        Args:
            observer: takes one frozen event (see :mod:`dousell_cache.events`); runs in the caller's thread.
        """
        if not callable(observer):
            message = f"an observer must be a function of an event, not {observer!r}"
            raise ConfigurationError(message)
        return self._observers.subscribe(observer)

    def _recording(self) -> Recorder:
        # A serverless function may be frozen as soon as it has answered: it says itself when there is time.
        on_due = None if self.environment.name == "vercel" else self._flush_behind
        recorder = Recorder(self.environment.name, self._clock.now, time.time, _token, on_due)
        self._observers.subscribe(recorder)
        return recorder

    def _look(self, command: tuple[Argument, ...], reply: Reply) -> None:
        try:
            found = looked_up(command, reply)
        except (IndexError, TypeError, ValueError):
            return  # a reply that makes no sense is somebody else's business
        if found and self._recorder:
            self._recorder.looked_up(*found)

    async def _flush(self, *, force: bool) -> bool:
        """Send what was recorded, unless that was done a moment ago; return whether anything arrived."""
        if self._recorder is None:
            message = "no figures are recorded here: connect(figures=True) records them"
            raise ConfigurationError(message)
        if not (force or self._recorder.may_flush()):
            return False
        call = self._call()
        try:
            return await flush(call, self._recorder)
        finally:
            self._tally.spent(call.store.commands)

    async def _flush_the_rest(self) -> None:
        if self._recorder:
            call = self._call()
            await flush_all(call, self._recorder)
            self._tally.spent(call.store.commands)

    def _flush_behind(self) -> None:
        raise NotImplementedError

    _is_followed = False

    def _follow(self) -> None:
        """Make sure that the server's invalidations are followed, if they can be."""

    def _parts(self) -> tuple[Reads, Flights, Renewals]:
        raise NotImplementedError

    def _fresh_context(self) -> Context:
        breaker = Breaker() if self._defaults.breaker and self._has_cache else Breaker(failures=None)
        self._port = Guarded(self._raw_port, breaker, self._clock, self._observers)
        reads, flights, renewals = self._parts()
        return Context(
            server=Server(
                self._port,
                Names(self._namespace),
                reads,
                self._insist,
                self._hurry,
                patience=self._raw_port.patience,
                now=self._clock.now,
            ),
            clock=self._clock,
            flights=flights,
            renewals=renewals,
            emit=self._observers,
            chance=random.random,
            token=_token,
            lease_ms=milliseconds("lease", self._defaults.lease),
            debts=self._debts,
            near=self._near,
        )

    async def _insist(self, seconds: float, *command: Argument) -> Reply:
        """Send what withdraws something; in degraded mode there is never anything to withdraw."""
        return await self._port.send_through(seconds, *command) if self._has_cache else 0

    async def _hurry(self, seconds: float, *command: Argument, insist: bool = False) -> Reply:
        """Send what a lock asks for; in degraded mode nobody can say."""
        return await self._port.send_briefly(seconds, *command, insist=insist)

    def _begin_anew(self) -> None:
        """Forget, in a forked child, what threads of the parent were doing: nobody here will ever end it."""
        self._tally.begin_anew()
        self._debts.begin_anew()
        if self._recorder:
            self._recorder.begin_anew()
        self._context = self._fresh_context()

    def _call(self) -> Call:
        return Call(self._context)

    def _asked(
        self,
        key: str,
        run: Callable[[Callable[[], Any]], Awaitable[Any]],
        loader: Callable[[], Any],
        tags: Collection[str],
        type_: Any,
        options: Keeping,
    ) -> Asked:
        """Settle what a call asks for; ``run`` calls the loader as the face does."""
        policy = self._policy(options)
        if not callable(loader):
            message = f"the loader must be a function, not {loader!r}"
            raise ConfigurationError(message)
        cache_if = options.get("cache_if")
        if cache_if is not None and not callable(cache_if):
            message = f"cache_if must be a function of the value, not {cache_if!r}"
            raise ConfigurationError(message)
        names = checked_tags(tags) if tags != () else ()
        return Asked(
            checked_key(key),
            partial(run, loader),
            policy,
            names,
            type_ if type_ is Any else checked_type(type_),
            cache_if,
        )

    def _policy(self, options: Keeping, jitter: float | None = None) -> Policy:
        """Settle the options of a call: its own, else the cache's, else what is usual."""
        defaults = self._defaults
        usual = defaults.jitter if jitter is None or defaults.jitter is not None else jitter
        if len(options) == 1 and (ttl := options.get("ttl")) is not None:
            return resolved(ttl, defaults.grace, usual or 0.0, defaults.early, defaults.background)
        if not options.keys() <= _OPTIONS:
            message = f"{min(options.keys() - _OPTIONS)!r} is no option; the options are {', '.join(sorted(_OPTIONS))}"
            raise TypeError(message)
        own = options.get
        ttl = _first(own("ttl"), defaults.ttl)
        if ttl is None:
            message = "ttl is missing: give one to the call, or one for all to connect()"
            raise ConfigurationError(message)
        return resolved(
            ttl,
            _first(own("grace"), defaults.grace),
            _first(own("jitter"), usual or 0.0),
            _first(own("early"), defaults.early),
            _first(own("background"), defaults.background),
        )

    def _withdrawal(
        self, keys: Iterable[str] = (), tags: Iterable[str] = (), prefix: str | None = None, *, soft: bool = False
    ) -> Withdrawal:
        start = None if prefix is None else checked_key(prefix, "prefix")
        names = tuple(dict.fromkeys(checked_key(key) for key in keys))
        return Withdrawal(names, tuple(dict.fromkeys(checked_key(tag, "tag") for tag in tags)), start, soft)

    def _asking(self, name: str, ttl: Ttl, wait: Ttl, options: LockOptions) -> Asking:
        """Settle what a lock is asked for."""
        if not options.keys() <= _LOCK_OPTIONS:
            unknown, known = min(options.keys() - _LOCK_OPTIONS), ", ".join(sorted(_LOCK_OPTIONS))
            message = f"{unknown!r} is no option of a lock; the options are {known}"
            raise TypeError(message)
        on_lost = options.get("on_lost")
        if on_lost is not None and not callable(on_lost):
            message = f"on_lost must be a function of what is held, not {on_lost!r}"
            raise ConfigurationError(message)
        bounds = options.get("min_ttl", MIN_TTL_SECONDS), options.get("max_ttl", MAX_TTL_SECONDS)
        terms = resolved_terms(ttl, wait, options.get("renew", False), options.get("fair", False), *bounds)
        full = self._namespace + checked_key(name, "lock")
        if full[0] == "{" and full[-1] == "}" and hash_tag(full) and not hash_tag(full[1:-1]):
            message = f"the lock {name!r} would be the same as {full[1:-1]!r}: a name must be more than a hash tag"
            raise ConfigurationError(message)
        return Asking(self._now, name, terms, self._defaults.lock_patience, bounds, on_lost)

    def _now(self) -> Context:
        return self._context

    def _from_near(self, key: str, type_: Any, tags: Collection[str] = ()) -> Any:
        """Return what this process keeps near of a key, or ABSENT."""
        started = self._clock.now()
        value = ABSENT if self._near is None or self._debts.any else self._near.get(key, type_, started, tags)
        if value is ABSENT:
            self._follow()
        elif not self._observers.watched:  # a microsecond is all it may take, so nobody is told of what nobody asks
            self._tally.near_hit(key)
        else:
            self._observers(Read(key, "hit", self._clock.now() - started, 0.0, 0, near=True))
        return value

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.environment!r}, namespace={self._namespace!r})"


_OPTIONS = Keeping.__optional_keys__
_LOCK_OPTIONS = LockOptions.__optional_keys__


def _first(own: Any, default: Any) -> Any:
    return default if own is None else own


def _token() -> str:
    return os.urandom(8).hex()


_faces = weakref.WeakSet[Face]()


def _begin_anew_everywhere() -> None:
    for face in _faces:
        face._begin_anew()  # noqa: SLF001 - its own module


os.register_at_fork(after_in_child=_begin_anew_everywhere)
