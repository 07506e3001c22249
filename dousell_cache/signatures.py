"""What a function says of itself: its name, its arguments, what it returns. Pure; read once, on decoration."""

import inspect
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast, get_args, get_origin, get_type_hints

from .entries import checked_type
from .errors import ConfigurationError


def arguments_of(function: Callable[..., Any]) -> inspect.Signature:
    """Return what a function takes, if its results can be kept.

    Raises:
        ConfigurationError: they cannot, or what it takes is unknown.
    """
    if isinstance(function, (staticmethod, classmethod)):
        message = f"@{type(function).__name__} stands above @cached, not below it"
        raise ConfigurationError(message)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        message = f"{name_of(function)} is a generator, which can be read once: cache a function that returns a list"
        raise ConfigurationError(message)
    try:
        return inspect.signature(function)
    except (NameError, TypeError, ValueError) as error:
        message = f"{name_of(function)} cannot be cached, for its arguments are unknown: {error}"
        raise ConfigurationError(message) from error


def returned_by(function: Callable[..., Any]) -> Any:
    """Return what a function says that it returns, awaited; Any when it says nothing.

    Only that annotation is read: those of its arguments may name what only a type checker imports.

    Raises:
        ConfigurationError: its values cannot be read back as that type, or the annotation names what does not exist.
    """
    annotation = inspect.get_annotations(function).get("return", Any)
    if annotation is Any:
        return Any
    holder = cast("Callable[..., Any]", SimpleNamespace(__annotations__={"return": annotation}))
    names = getattr(inspect.unwrap(function), "__globals__", {})
    try:
        hint = get_type_hints(holder, names, include_extras=True)["return"]
        origin = get_origin(hint)
        if isinstance(origin, type) and issubclass(origin, Awaitable):
            hint = get_args(hint)[-1]
        return checked_type(hint)
    except Exception as error:  # an annotation is code: it may raise anything
        message = f"what {name_of(function)} returns is no type to read back ({error}): give type=, or type=Any"
        raise ConfigurationError(message) from error


def name_of(function: Callable[..., Any]) -> str:
    """Return a function's name, for messages."""
    return getattr(function, "__qualname__", None) or repr(function)
