"""Keys that all begin alike: what several sites put before their keys on one server would hide the families. Pure."""

from collections.abc import Sequence
from itertools import takewhile

from .trace import Trace

_FEW, _FEW_SHARE = 3, 0.1  # families: so many in any case, and a tenth of the keys


def without_namespace(trace: Trace, prefix: str | None) -> tuple[Trace, tuple[str, ...]]:
    """Return a trace without what stands before its keys, and notes on that.

    Args:
        trace: what was asked; its families are what its keys begin with.
        prefix: the namespace, such as ``prod:v3:``; None leaves the keys as they are, and notes one that they seem
            to have.

    Raises:
        ValueError: no key has that namespace.
    """
    if prefix is None:
        seen = seems_namespaced(trace)
        note = f"all keys begin with {seen}, so there is one family; if that is a namespace, give --namespace {seen}"
        return trace, (note,) if seen else ()
    found = trace.of_namespace(prefix)
    keys, events = len(trace.key_names) - len(found.key_names), len(trace) - len(found)
    note = f"keys outside the namespace {prefix} were left out: {keys:,}, which {events:,} events were about"
    return found, (note,) if keys else ()


def seems_namespaced(trace: Trace) -> str:
    """Return what all keys of a trace of one family begin with, if few families for so many keys follow it; else "".

    Ids are no families: numbers, as in ``property:12:photos``; words of which there are many; and those that end one
    key and not another, as in ``property:villa`` beside ``property:villa:photos``.
    """
    if len(trace.family_names) != 1:
        return ""
    parts = [key.split(":") for key in trace.key_names]
    shared = list(takewhile(lambda pair: pair[0] == pair[1], zip(min(parts), max(parts), strict=False)))
    for count in range(min(len(shared), min(map(len, parts)) - 1), 0, -1):
        if _are_families(parts, count):
            return "".join(f"{part}:" for part in parts[0][:count])
    return ""


def _are_families(parts: Sequence[Sequence[str]], count: int) -> bool:
    """Tell whether what follows so many parts of the keys are families, not ids."""
    words = {part[count] for part in parts}
    few = len(words) < len(parts) and len(words) <= max(_FEW, len(parts) * _FEW_SHARE)
    keys, begin = ({part[count] for part in parts if (len(part) > count + 1) is longer} for longer in (False, True))
    return few and not keys & begin and not any(word.isdigit() for word in words)
