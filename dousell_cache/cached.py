"""The ``cached`` decorator: a function whose results are kept under keys made from its arguments.

Everything that can be known when a function is decorated is checked then: templates, options, what it returns. A call
binds its arguments as Python does, so ``get(7)`` and ``get(property_id=7)`` share a key, and hands a key, a loader and
options to the face's own ``get_or_set``: nothing is decided here about reading or storing.

An argument that the template does not name is no part of the key: callers that differ in it alone share a value. Nor is
a method's ``self``: all instances share. ``@staticmethod`` and ``@classmethod`` stand above ``@cached``.
"""

import asyncio
import inspect
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial, update_wrapper
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar, cast, overload

from .errors import ConfigurationError
from .signatures import arguments_of, name_of, returned_by
from .templates import Template, checked_secret

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")


class Face(Protocol):
    """What a decorated function asks of its cache."""

    @property
    def get_or_set(self) -> Callable[..., Any]:
        """Return the value under a key, loaded if need be."""

    @property
    def refresh(self) -> Callable[..., Any]:
        """Load the value under a key and store it, whatever is there."""

    @property
    def invalidate(self) -> Callable[..., Any]:
        """Withdraw keys."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What was settled at decoration."""

    face: Face
    function: Callable[..., Any]
    signature: inspect.Signature
    key: Template
    tags: tuple[Template, ...]
    options: Mapping[str, Any]

    def arguments(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> Mapping[str, object]:
        """Return what each parameter gets, defaults included."""
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.arguments

    def ask(self, verb: Callable[..., Any], args: tuple[object, ...], kwargs: Mapping[str, object]) -> Any:
        """Hand a call to one of the face's verbs."""
        arguments = self.arguments(args, kwargs)
        tagged = {"tags": [tag.render(arguments) for tag in self.tags]} if self.tags else {}
        return verb(self.key.render(arguments), partial(self.function, *args, **kwargs), **tagged, **self.options)


class _Decorated(Generic[P]):
    """What the decorated functions of both faces have in common."""

    __wrapped__: Callable[..., Any]

    def __init__(self, plan: _Plan, bound: tuple[object, ...] = ()) -> None:
        update_wrapper(cast("Callable[..., Any]", self), plan.function)
        self._plan = plan
        self._bound = bound

    def key(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Return the key of a call with these arguments, for the cache's own methods."""
        return self._plan.key.render(self._arguments(args, kwargs))

    def tags(self, *args: P.args, **kwargs: P.kwargs) -> tuple[str, ...]:
        """Return the tags of a call with these arguments."""
        arguments = self._arguments(args, kwargs)
        return tuple(tag.render(arguments) for tag in self._plan.tags)

    def _arguments(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> Mapping[str, object]:
        return self._plan.arguments((*self._bound, *args), kwargs)

    def _ask(self, verb: Callable[..., Any], args: tuple[object, ...], kwargs: Mapping[str, object]) -> Any:
        return self._plan.ask(verb, (*self._bound, *args), kwargs)

    def _method_of(self, instance: object) -> Self:
        method = type(self)(self._plan, (instance,))
        method.__wrapped__ = MethodType(self._plan.function, instance)
        return method

    def __repr__(self) -> str:
        return f"<cached {name_of(self._plan.function)} under {self._plan.key.text!r}>"


class Cached(_Decorated[P], Generic[P, R]):
    """A function whose results a :class:`~dousell_cache.Cache` keeps."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the value for these arguments, from the cache or else from the function."""
        return cast("R", self._ask(self._plan.face.get_or_set, args, kwargs))

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function now and store what it returns, whatever is cached."""
        return cast("R", self._ask(self._plan.face.refresh, args, kwargs))

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> int:
        """Withdraw the value for these arguments and return how many keys were there; tags stay as they are.

        Raises:
            CacheUnavailable: the server did not confirm.
        """
        return cast("int", self._plan.face.invalidate(self.key(*args, **kwargs)))

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self: "Cached[Concatenate[S, Q], R]", instance: S, owner: type | None = None) -> "Cached[Q, R]": ...

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self if instance is None else self._method_of(instance)


class AsyncCached(_Decorated[P], Generic[P, R]):
    """A function whose results an :class:`~dousell_cache.AsyncCache` keeps; awaited, asynchronous or not."""

    def __init__(self, plan: _Plan, bound: tuple[object, ...] = ()) -> None:
        super().__init__(plan, bound)
        _mark_asynchronous(self)

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the value for these arguments, from the cache or else from the function."""
        return cast("R", await self._ask(self._plan.face.get_or_set, args, kwargs))

    async def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function now and store what it returns, whatever is cached."""
        return cast("R", await self._ask(self._plan.face.refresh, args, kwargs))

    async def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> int:
        """Withdraw the value for these arguments and return how many keys were there; see :meth:`Cached.invalidate`."""
        return cast("int", await self._plan.face.invalidate(self.key(*args, **kwargs)))

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(
        self: "AsyncCached[Concatenate[S, Q], R]", instance: S, owner: type | None = None
    ) -> "AsyncCached[Q, R]": ...

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self if instance is None else self._method_of(instance)


class AsyncDecorator(Protocol):
    """What ``AsyncCache.cached(…)`` returns: it takes both kinds of functions and makes both awaitable."""

    @overload
    def __call__(self, function: Callable[P, Awaitable[R]], /) -> AsyncCached[P, R]: ...

    @overload
    def __call__(self, function: Callable[P, R], /) -> AsyncCached[P, R]: ...


def checked_template(template: str) -> str:
    """Return a template if it is text.

    Raises:
        ConfigurationError: it is none: ``@cache.cached`` was written without its parentheses, perhaps.
    """
    if not isinstance(template, str):
        message = f"write @cache.cached('name:{{argument}}', …): the template must be a string, not {template!r}"
        raise ConfigurationError(message)
    return template


def cached_blocking(face: Face, template: str, **settings: Any) -> Callable[[Callable[P, R]], Cached[P, R]]:
    """Return the decorator behind :meth:`dousell_cache.Cache.cached`; settings as for :func:`_plan`."""

    def decorate(function: Callable[P, R]) -> Cached[P, R]:
        if inspect.iscoroutinefunction(function):
            message = f"{name_of(function)} is asynchronous: use AsyncCache, from connect_async()"
            raise ConfigurationError(message)
        return Cached(_plan(face, function, template, **settings))

    return decorate


def cached_async(face: Face, template: str, **settings: Any) -> AsyncDecorator:
    """Return the decorator behind :meth:`dousell_cache.AsyncCache.cached`; settings as for :func:`_plan`."""

    def decorate(function: Callable[..., Any]) -> AsyncCached[..., Any]:
        return AsyncCached(_plan(face, function, template, **settings))

    return cast("AsyncDecorator", decorate)


def _plan(
    face: Face,
    function: Callable[..., Any],
    template: str,
    *,
    tags: Iterable[str] = (),
    secret: str | bytes | None = None,
    **options: Any,
) -> _Plan:
    """Settle what a decorated function does; options are those of ``get_or_set``.

    Raises:
        ConfigurationError: the function, a template, the secret or the return type makes no sense.
        TypeError: get_or_set has no such option.
    """
    signature = arguments_of(function)
    key_of = checked_secret(secret)
    key = Template(template, signature.parameters, key_of)
    tag_templates = tuple(Template(tag, signature.parameters, key_of) for tag in _listed(tags))
    if options.get("type") is None:
        options["type"] = returned_by(function)
    return _Plan(face, function, signature, key, tag_templates, options)


def _listed(tags: Iterable[str]) -> Iterable[str]:
    if isinstance(tags, str):
        message = f"tags must be a list of templates, such as [{tags!r}]"
        raise ConfigurationError(message)
    return tags


def _mark_asynchronous(function: Any) -> None:
    """Let frameworks see that calling it gives something to be awaited, as for any ``async def``."""
    if sys.version_info >= (3, 12):
        inspect.markcoroutinefunction(function)
    else:
        function._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]  # noqa: SLF001 - what asyncio looks for
