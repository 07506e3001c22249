"""The help of a notebook: what parameters it takes, from the schema that refuses all others. Pure."""

import math
from collections.abc import Sequence

from .parameters import OPTIONS, Parameter, Value, plain

_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "Optional[int]": "a whole number, or none",
}


def help_text(notebook: str, parameters: Sequence[Parameter]) -> str:
    """Return what a notebook takes: for each parameter how it is set, what it may be, its default and its meaning.

    Args:
        notebook: its name.
        parameters: what it takes.
    """
    lines = [line for parameter in parameters for line in _lines(parameter)]
    return "\n".join([f"{notebook} takes:", *(lines or ["  nothing"])])


def _lines(parameter: Parameter) -> list[str]:
    how = OPTIONS.get(parameter.name, f"-p {parameter.name}=")
    told = [f"  {how}  {_allowed(parameter)}; default {_default(parameter.default)}"]
    return told + ([f"      {parameter.help}"] if parameter.help else [])


def _default(value: Value) -> str:
    return "none" if value is None else str(value) or "empty"


def _allowed(parameter: Parameter) -> str:
    if parameter.choices:
        return f"one of {', '.join(parameter.choices)}"
    word = _WORDS[parameter.type]
    if math.isinf(parameter.low) or math.isinf(parameter.high):
        return word
    return f"{word} from {plain(parameter.low)} to {plain(parameter.high)}"
