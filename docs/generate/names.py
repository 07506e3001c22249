"""The pages of public names: signatures from the source, everything else from the docstrings."""

import ast
import importlib
import inspect
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

import dousell_cache

from .docstrings import parsed, shown

PACKAGE = dousell_cache.__name__
INDEX = """\
# Every public name

Made from the source: signatures, units, defaults and errors as the docstrings have them.
"""


class Page(NamedTuple):
    """A page of names.

    Args:
        title: its heading.
        introduction: what it is about, in a sentence or two.
        modules: whose names it has, without the package's own.
    """

    title: str
    introduction: str
    modules: tuple[str, ...]


PAGES = {
    "core": Page(
        "The core",
        "What `import dousell_cache` gives. `AsyncCache` has the methods of `Cache`, awaited; what the options do and "
        "why their defaults are what they are is on [the cache's own page](../cache.md).",
        ("", "events", "environments", "errors", "check", "audit", "recording"),
    ),
    "adapters": Page("Adapters", "What hands a cache's events on.", ("adapters",)),
    "dousell": Page(
        "Dousell's use cases",
        "The rental site on Supabase: how they are used is in [the seven cases](../../how-to/rental-site.md).",
        ("dousell",),
    ),
    "measure": Page("Measuring", "Schedules, load, statistics, verdicts, results; needs `[lab]`.", ("measure",)),
    "tuning": Page("Tuning", "Traces, curves, advice, experiments; needs `[lab]`.", ("tuning",)),
    "monitor": Page("Watching", "Server figures, figures of all processes, alerts; needs `[lab]`.", ("monitor",)),
    "local": Page("A cloud on this machine", "Real servers and emulators; needs `[lab]`.", ("local",)),
    "testing": Page(
        "Testing", "The explorer, faults, conformance: [how to use them](../../how-to/test-your-code.md).", ("testing",)
    ),
}


def pages() -> dict[str, str]:
    """Return each page of names that there is something for, by its file's name."""
    there = {name: page for name, page in PAGES.items() if any(map(exists, page.modules))}
    index = [f"- [{page.title}]({name}.md)" for name, page in there.items()]
    return {"README": "\n".join([INDEX, *index, ""])} | {name: text(page) for name, page in there.items()}


def exists(module: str) -> bool:
    """Tell whether there is such a module."""
    return find_spec(f"{PACKAGE}.{module}" if module else PACKAGE) is not None


def text(page: Page) -> str:
    """Return a page."""
    parts = [f"# {page.title}", page.introduction]
    for name in filter(exists, page.modules):
        for module in described_modules(name):
            parts += _module(module)
    return "\n\n".join(parts) + "\n"


def described_modules(name: str) -> Iterator[ModuleType]:
    """Yield the modules whose names a page has: a package that exports none has its modules' names."""
    module = importlib.import_module(f"{PACKAGE}.{name}" if name else PACKAGE)
    if hasattr(module, "__all__") or not hasattr(module, "__path__"):
        yield module
        return
    for file in sorted(Path(module.__path__[0]).glob("*.py")):
        inner = importlib.import_module(f"{module.__name__}.{file.stem}")
        if file.stem != "__init__" and list(public(inner)):
            yield inner


def public(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Yield a module's public names with what they stand for, in the order of the alphabet."""
    exported = getattr(module, "__all__", None)
    for name in sorted(exported or vars(module), key=str.lower):
        value = getattr(module, name, None)
        here = getattr(value, "__module__", None) == module.__name__
        if exported or (here and not name.startswith("_") and (inspect.isclass(value) or inspect.isfunction(value))):
            yield name, value


def _module(module: ModuleType) -> list[str]:
    named = module.__name__
    head = [] if named == PACKAGE else [f"## `{named}`", shown((module.__doc__ or "").partition("\n\n")[0])]
    level = "##" if named == PACKAGE else "###"
    return head + [part for name, value in public(module) for part in _name(level, name, value)]


def _name(level: str, name: str, value: Any) -> list[str]:
    if inspect.isclass(value):
        return [f"{level} `{name}`", *_class(level, name, value)]
    if inspect.isroutine(value):
        return [f"{level} `{name}`", signature(value, name), shown(value.__doc__)]
    return [f"{level} `{name}`", _other(value)]


def _other(value: Any) -> str:
    """Say what a name stands for that is no class and no function: a closed set, a kind of function, a constant."""
    members = get_args(value)
    if get_origin(value) is Literal:
        return f"One of {', '.join(f'`{member!r}`' for member in members)}."
    if get_origin(value) in (Union, UnionType):
        return f"One of {', '.join(f'`{member.__name__}`' for member in members)}."
    if members:
        return "The type of a function, for annotations."
    if isinstance(value, (bool, int, float, str)):
        return f"The constant `{value!r}`."
    sentence = parsed(type(value).__doc__).text.partition("\n\n")[0]
    return f"A constant, a `{type(value).__name__}`" + (
        f": {sentence}" if type(value).__module__ != "builtins" else "."
    )


def _class(level: str, name: str, value: type) -> list[str]:
    bases = ", ".join(f"`{base.__name__}`" for base in value.__bases__ if issubclass(base, Exception))
    parts = [f"An exception, one of {bases}." if bases else "", shown(value.__doc__)]
    if name.startswith("Async"):
        return [*filter(None, parts), f"It has what `{name.removeprefix('Async')}` has, awaited."]
    for method, function in methods(value):
        parts += [f"{level}# `{name}.{method}`", signature(function, method), shown(function.__doc__)]
    return list(filter(None, parts))


def methods(value: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield a class's own public methods and those of its bases in this package."""
    for name in sorted({name for base in value.__mro__ if base.__module__.startswith(PACKAGE) for name in vars(base)}):
        found = inspect.getattr_static(value, name)
        function = found.fget if isinstance(found, property) else getattr(found, "__func__", found)
        if not name.startswith("_") and inspect.isfunction(function) and function.__doc__:
            yield name, function


def signature(function: Callable[..., Any], name: str) -> str:
    """Return a function's signature as it is written, in a block."""
    try:
        source = inspect.cleandoc("\n" + inspect.getsource(function))
        node = ast.parse(source).body[0]
    except (OSError, SyntaxError, TypeError, IndentationError):
        return f"```text\n{name}(…)\n```"
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return f"```text\n{name}(…)\n```"
    given = [argument.arg for argument in node.args.posonlyargs + node.args.args][:1]
    bare = ast.unparse(node.args)
    inside = bare.split(", ", 1)[1] if given in (["self"], ["cls"]) and ", " in bare else bare
    arguments = "" if inside in ("self", "cls") else inside
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    word = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
    return f"```text\n{word}{name}({arguments}){returns}\n```"
