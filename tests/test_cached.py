"""The ``cached`` decorator on both faces: what is shared, what is refused on decoration, what the verbs do."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any, Self, cast
from uuid import uuid4

import pytest

from dousell_cache import MISSING, AsyncCache, Cache, ConfigurationError, connect, connect_async

from .faces import FACES, Face, Visit, open_face

if TYPE_CHECKING:
    from decimal import Decimal


@pytest.fixture
def cache(valkey_url: str) -> Iterator[Cache]:
    """A blocking cache under a namespace of its own."""
    with connect(valkey_url, namespace=f"test-{uuid4().hex}:", patience=5) as opened:
        yield opened


@pytest.fixture
async def async_cache(valkey_url: str) -> AsyncIterator[AsyncCache]:
    """An asyncio cache under a namespace of its own."""
    async with await connect_async(valkey_url, namespace=f"test-{uuid4().hex}:", patience=5) as opened:
        yield opened


@pytest.fixture(params=FACES)
async def tcp(request: pytest.FixtureRequest, valkey_url: str) -> AsyncIterator[Face]:
    """Both faces over TCP alone."""
    opened = await open_face(request.param, valkey_url)
    yield opened
    await opened.close()


def cached(face: Face, template: str, **settings: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return either face's decorator; what it makes is told apart by ``answer``."""
    decorator: Any = face.cache.cached(template, **{"ttl": 60, **settings})
    return cast("Callable[[Callable[..., Any]], Any]", decorator)


def counted(face: Face, template: str = "detail:{property_id}", **settings: Any) -> tuple[Any, list[int]]:
    """Decorate a function of a property and a city; also return the list that it notes its calls in."""
    calls: list[int] = []

    @cached(face, template, **settings)
    def get_property(property_id: int, city: str = "Dakar", *, page: int = 1) -> list[Any]:
        """Read one property."""
        calls.append(property_id)
        return [property_id, city, page, len(calls)]

    return get_property, calls


async def answer(result: Any) -> Any:
    """Await what can be awaited."""
    return await result if inspect.isawaitable(result) else result


async def test_the_function_runs_once_for_each_key(tcp: Face) -> None:
    """The same arguments are answered from the cache, other arguments by the function."""
    get_property, calls = counted(tcp)
    assert await answer(get_property(7)) == await answer(get_property(7)) == [7, "Dakar", 1, 1]
    assert await answer(get_property(8)) == [8, "Dakar", 1, 2]
    assert calls == [7, 8]
    assert (tcp.counters().hits, tcp.counters().misses) == (1, 2)


async def test_however_arguments_are_given(tcp: Face) -> None:
    """By position, by name or by default: the same arguments are the same key and the same tags."""
    get_property, calls = counted(tcp, "detail:{property_id}:{city}:{page}", tags=["city:{city}", "all"])
    ways: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((7,), {}),
        ((), {"property_id": 7}),
        ((7, "Dakar"), {}),
        ((7,), {"page": 1, "city": "Dakar"}),
        (("7",), {}),
    ]
    for args, kwargs in ways:
        assert get_property.key(*args, **kwargs) == "detail:7:Dakar:1"
        assert get_property.tags(*args, **kwargs) == ("city:Dakar", "all")
        assert await answer(get_property(*args, **kwargs)) == [7, "Dakar", 1, 1]
    assert calls == [7]


async def test_arguments_that_the_template_does_not_name(tcp: Face) -> None:
    """They are no part of the key: whoever differs in them alone gets the value that is there."""
    get_property, _ = counted(tcp)
    assert await answer(get_property(7, "Thiès")) == await answer(get_property(7, "Dakar")) == [7, "Thiès", 1, 1]


async def test_separators_in_arguments(tcp: Face) -> None:
    """Arguments that hold the separator do not run into each other, in keys or in tags."""
    calls = []

    @cached(tcp, "search:{city}:{kind}", tags=["city:{city}"])
    def search(city: str, kind: str) -> list[str]:
        calls.append(city)
        return [city, kind]

    assert await answer(search("a:b", "c")) == ["a:b", "c"]
    assert await answer(search("a", "b:c")) == ["a", "b:c"]
    assert len(calls) == 2
    assert search.tags("a:b", "c") == ("city:a%3Ab",)


async def test_invalidate(tcp: Face) -> None:
    """``invalidate`` withdraws the one key that its arguments make, and says whether it was there."""
    get_property, calls = counted(tcp)
    await answer(get_property(7))
    await answer(get_property(8))
    assert await answer(get_property.invalidate(property_id=7, city="Dakar")) == 1
    assert await answer(get_property.invalidate(7)) == 0
    await answer(get_property(7))
    await answer(get_property(8))
    assert calls == [7, 8, 7]


async def test_refresh(tcp: Face) -> None:
    """``refresh`` calls the function whatever is cached, and what it returns is what later calls get."""
    get_property, calls = counted(tcp)
    assert await answer(get_property.refresh(7)) == [7, "Dakar", 1, 1]
    assert await answer(get_property.refresh(7)) == [7, "Dakar", 1, 2]
    assert await answer(get_property(7)) == [7, "Dakar", 1, 2]
    assert calls == [7, 7]


async def test_the_cache_knows_the_key(tcp: Face) -> None:
    """What ``key`` returns is what the cache's own methods take."""
    get_property, calls = counted(tcp)
    value = await answer(get_property(7))
    assert await tcp.get(get_property.key(7)) == value
    assert await tcp.delete(get_property.key(7)) is True
    assert await tcp.get(get_property.key(7)) is MISSING
    assert calls == [7]


async def test_it_still_looks_like_the_function(tcp: Face) -> None:
    """Name, docstring, signature and the function itself stay in reach, and its repr names the template."""
    get_property, calls = counted(tcp, secret="0123456789abcdef")
    assert (get_property.__name__, get_property.__doc__) == ("get_property", "Read one property.")
    assert list(inspect.signature(get_property).parameters) == ["property_id", "city", "page"]
    assert get_property.__wrapped__(7) == [7, "Dakar", 1, 1]
    assert repr(get_property).endswith("get_property under 'detail:{property_id}'>")
    assert "0123456789abcdef" not in repr(vars(get_property))
    assert calls == [7]


async def test_wrong_arguments_are_a_type_error(tcp: Face) -> None:
    """What the function would refuse is refused, by every verb, before anything is sent."""
    get_property, calls = counted(tcp)
    events = tcp.record()
    for verb in (get_property, get_property.key, get_property.tags, get_property.invalidate, get_property.refresh):
        with pytest.raises(TypeError, match="missing a required argument: 'property_id'"):
            await answer(verb())
        with pytest.raises(TypeError, match="unexpected keyword argument 'town'"):
            await answer(verb(7, town="Dakar"))
    assert (calls, events) == ([], [])


async def test_an_argument_that_can_be_no_part(tcp: Face) -> None:
    """One sentence names the template and the field; the function is not called."""
    get_property, calls = counted(tcp)
    with pytest.raises(ConfigurationError, match=r"^template 'detail:\{property_id\}': field \{property_id\} cannot"):
        await answer(get_property(object()))
    assert calls == []


async def test_what_the_function_raises(tcp: Face) -> None:
    """The function's own exception reaches the caller, and nothing is stored."""

    @cached(tcp, "broken")
    def broken() -> int:
        raise ZeroDivisionError("origin")

    for _ in range(2):
        with pytest.raises(ZeroDivisionError, match="origin"):
            await answer(broken())
    assert await tcp.get("broken") is MISSING


async def test_values_come_back_as_what_the_function_returns(tcp: Face) -> None:
    """The return annotation is the type, from a miss as from a hit, read when all else in the signature is a riddle."""

    @cached(tcp, "visits:{day}")
    def get_visits(day: date, price: "Decimal | None" = None) -> "list[Visit]":  # noqa: ARG001 - only its type counts
        return [Visit(1, day)]

    for _ in range(2):
        assert await answer(get_visits(date(2026, 1, 2))) == [Visit(1, date(2026, 1, 2))]
    assert tcp.counters().hits == 1


async def test_the_type_can_be_given(tcp: Face) -> None:
    """``type=`` goes before the annotation; ``type=Any`` gives plain JSON, and so does no annotation."""

    def get_visit() -> Visit:
        return Visit(1, date(2026, 1, 2))

    def get_any():  # type: ignore[no-untyped-def]  # saying nothing is the point
        return Visit(1, date(2026, 1, 2))

    @dataclass
    class Day:
        day: date

    untyped = {"id": 1, "day": "2026-01-02"}
    assert await answer(cached(tcp, "plain", type=Any)(get_visit)()) == untyped
    assert await answer(cached(tcp, "silent")(get_any)()) == untyped
    assert await answer(cached(tcp, "given", type=Day)(get_visit)()) == Day(date(2026, 1, 2))


@pytest.mark.parametrize("annotation", ["Unheard_of", "date.unheard_of", Self, list[int] | tuple[int, ...], "list["])
def test_a_return_type_that_cannot_be_read_back_is_refused(cache: Cache, annotation: Any) -> None:
    """On decoration, with the way out in the sentence: values would not come back as what the function says."""

    def get_property() -> Any: ...

    get_property.__annotations__["return"] = annotation
    with pytest.raises(
        ConfigurationError, match=r"get_property returns is no type to read back \(.+\): give type=, or"
    ):
        cache.cached("a", ttl=60)(get_property)
    assert cache.cached("a", ttl=60, type=Any)(get_property).key() == "a"


def test_templates_are_checked_on_decoration(cache: Cache) -> None:
    """A template that does not fit the function never sees a call, be it a key's or a tag's."""

    def get_property(property_id: int) -> int:
        return property_id

    problem = r"^template 'x:\{id\}': field \{id\} is no argument; there are: property_id$"
    with pytest.raises(ConfigurationError, match=problem):
        cache.cached("x:{id}", ttl=60)(get_property)
    with pytest.raises(ConfigurationError, match=problem):
        cache.cached("x", ttl=60, tags=["x:{id}"])(get_property)


@pytest.mark.parametrize(
    ("settings", "error", "problem"),
    [
        ({"ttl": 0}, ValueError, "ttl must be between"),
        (
            {"ttl": 60, "tags": "city:{city}"},
            ConfigurationError,
            r"^tags must be a list of templates, such as \['city:",
        ),
        ({"ttl": 60, "secret": "short"}, ConfigurationError, "^secret must be 16 to 64 bytes"),
        ({"ttl": 60, "tll": 60}, TypeError, "'tll' is no option"),
    ],
)
def test_settings_are_checked_on_decoration(
    cache: Cache, settings: dict[str, Any], error: type[Exception], problem: str
) -> None:
    """A ttl, tags, a secret or an option that make no sense are refused where they are written."""
    with pytest.raises(error, match=problem):
        cache.cached("a", **settings)(lambda city: city)


async def test_all_settings_reach_the_cache(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Key, ttl, tags, type and options are handed to the face's own verbs, by their names."""
    seen: list[tuple[str, dict[str, Any]]] = []

    class Watched(Cache):
        def get_or_set(self, key: str, loader: Callable[[], Any], **options: Any) -> Any:
            seen.append((key, dict(options)))
            options.pop("grace")
            return super().get_or_set(key, loader, **options)

        refresh = get_or_set

    monkeypatch.setattr(cache, "__class__", Watched)

    @cache.cached("a:{city}", ttl=60, tags=["city:{city}"], grace=30)
    def get(city: str) -> list[str]:
        return [city]

    assert get("Dakar") == get.refresh("Dakar") == ["Dakar"]
    options = {"ttl": 60, "tags": ["city:Dakar"], "type": list[str], "grace": 30}
    assert seen == [("a:Dakar", options)] * 2


async def test_methods(tcp: Face) -> None:
    """A method is cached like a function: all instances share, and its verbs take what the method takes."""

    class Site:
        calls = 0

        @cached(tcp, "detail:{property_id}", tags=["p:{property_id}"])
        def get_property(self, property_id: int) -> int:
            self.calls += 1
            return property_id

    first, second = Site(), Site()
    assert await answer(first.get_property(7)) == await answer(second.get_property(property_id=7)) == 7
    assert (first.calls, second.calls) == (1, 0)
    assert (first.get_property.key(7), first.get_property.tags(7)) == ("detail:7", ("p:7",))
    assert await answer(first.get_property.invalidate(7)) == 1
    assert await answer(second.get_property.refresh(7)) == 7
    assert (first.calls, second.calls) == (1, 1)
    assert list(inspect.signature(first.get_property).parameters) == ["property_id"]
    assert first.get_property.__wrapped__(7) == 7
    assert Site.get_property.key(first, 7) == "detail:7"


async def test_static_and_class_methods(tcp: Face) -> None:
    """Their decorators stand above ``cached``; below it they are refused with the sentence that says so."""

    class Static:
        @staticmethod
        @cached(tcp, "static:{number}")
        def static(number: int) -> int:
            return number

        @classmethod
        @cached(tcp, "class:{number}")
        def of_class(cls, number: int) -> list[Any]:
            return [cls.__name__, number]

    assert await answer(Static.static(7)) == await answer(Static().static(7)) == 7
    assert Static.static.key(7) == "static:7"
    assert await answer(Static.of_class(7)) == ["Static", 7]
    belows: list[Any] = [staticmethod, classmethod]
    for below in belows:
        with pytest.raises(ConfigurationError, match=f"^@{below.__name__} stands above @cached, not below it$"):
            cached(tcp, "a")(below(print))


async def test_an_instance_is_part_of_the_key_only_if_named(cache: Cache) -> None:
    """A template may name ``self``, which then must be something that keys are made of."""

    class Page(str):
        @cache.cached("page:{self}", ttl=60)
        def body(self) -> str:
            return self.upper()

    assert (Page("a").body(), Page("b").body(), Page("a").body.key()) == ("A", "B", "page:a")


def test_the_blocking_face_refuses_async_functions(cache: Cache) -> None:
    """On decoration, with the name of the face that takes them."""

    async def get_property() -> int:
        return 7

    with pytest.raises(ConfigurationError, match="get_property is asynchronous: use AsyncCache, from connect_async"):
        cache.cached("a", ttl=60)(get_property)


async def test_the_asyncio_face_takes_both_kinds(async_cache: AsyncCache) -> None:
    """Asynchronous functions, blocking ones and those that return an awaitable are all awaited, once for each key."""
    calls = []

    @async_cache.cached("a", ttl=60)
    async def asynchronous() -> Visit:
        calls.append("a")
        return Visit(1, date(2026, 1, 2))

    @async_cache.cached("b", ttl=60)
    def blocking() -> Visit:
        calls.append("b")
        return Visit(2, date(2026, 1, 2))

    async def later() -> Visit:
        calls.append("c")
        return Visit(3, date(2026, 1, 2))

    @async_cache.cached("c", ttl=60)
    def awaitable() -> Awaitable[Visit]:
        return later()

    @async_cache.cached("d", ttl=60)
    def coroutine() -> Coroutine[Any, Any, Visit]:
        return later()

    for function, number in ((asynchronous, 1), (blocking, 2), (awaitable, 3), (coroutine, 3)):
        assert await function() == await function() == Visit(number, date(2026, 1, 2))
    assert calls == ["a", "b", "c", "c"]
    assert inspect.iscoroutinefunction(blocking.__call__)


async def test_generators_are_refused(tcp: Face) -> None:
    """What can be read once cannot be kept."""

    def rows() -> Iterator[int]:
        yield 1

    async def async_rows() -> AsyncIterator[int]:
        yield 1

    for function in (rows, async_rows):
        with pytest.raises(ConfigurationError, match="rows is a generator, which can be read once: cache a function"):
            cached(tcp, "a")(function)


def test_what_takes_unknown_arguments_is_refused(cache: Cache) -> None:
    """A built-in without a signature cannot be bound to."""
    with pytest.raises(ConfigurationError, match=r"^type cannot be cached, for its arguments are unknown: "):
        cache.cached("a", ttl=60)(type)


async def test_variable_arguments(tcp: Face) -> None:
    """``*cities`` and ``**filters`` can be named: they are a list and a dict, in any order."""

    @cached(tcp, "search:{cities}:{filters}")
    def search(*cities: str, **filters: int) -> list[Any]:
        return [*cities, *sorted(filters)]

    assert await answer(search("a", "b", x=1, y=2)) == ["a", "b", "x", "y"]
    assert search.key("a", "b", y=2, x=1) == search.key("a", "b", x=1, y=2)
    assert len({search.key(), search.key("a"), search.key("a", "b"), search.key("a,b"), search.key(a=1)}) == 5


async def test_a_partial_can_be_cached(tcp: Face) -> None:
    """What is already given is no argument to name unless by its keyword; no annotation means plain JSON."""

    def add(left: int, right: int) -> int:
        return left + right

    three = cached(tcp, "three:{right}")(partial(add, 3))
    assert (await answer(three(4)), three.key(4)) == (7, "three:4")
    assert "partial" in repr(three)


async def test_personal_arguments(tcp: Face) -> None:
    """A hashed argument reaches neither the key nor the server; the secret decides the hash."""
    template = "mail:{email:hashed}"

    def get(email: str) -> int:
        return len(email)

    keyed, unkeyed = cached(tcp, template, secret="0123456789abcdef")(get), cached(tcp, template)(get)
    assert await answer(keyed("awa@example.com")) == 15
    assert keyed.key("awa@example.com") != unkeyed.key("awa@example.com")
    assert b"awa" not in b"".join(await tcp.send("KEYS", f"{tcp.cache.namespace}*"))
