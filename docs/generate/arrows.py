"""The picture of who may import whom, from the table that the test of the architecture holds the code to."""

from collections.abc import Iterable, Mapping

from tests.test_architecture import MAY_IMPORT, MODULES

from .svg import Arrow, Box, picture

# What stands together in the picture; a package that is not named here is a box of its own.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "faces": ("cache", "async_cache", "face", "connecting", "cached", "explaining", "warming"),
    "flows": (
        *("flows", "loading", "looking", "withdrawing", "scanning", "context", "flights", "renewals", "debts"),
        *("near", "pacing", "recording", "flushing", "lookups"),
    ),
    "locks": ("locks", "locking", "hold", "lock_store", "lock_outcomes", "watches"),
    "store": ("store", "reads", "scripts"),
    "transport": ("transport",),
    "decisions": (
        *("entries", "policy", "terms", "keys", "templates", "signatures", "frozen", "environments", "addresses"),
        *("events", "errors", "families", "histogram", "runner", "clocks"),
    ),
    "check": ("check", "audit", "inquiry", "env_file"),
}
TITLE = "Who may import whom"
_WIDTH, _ROW, _LINE = 980, 118, 30


def group_of(module: str) -> str:
    """Return the box in which a module stands."""
    top = module.partition(".")[0]
    return next((group for group, members in GROUPS.items() if top in members), top)


def edges() -> dict[str, set[str]]:
    """Return which box may import which, by the table; what is inside a box is left out."""
    found: dict[str, set[str]] = {group_of(name): set() for name in MODULES if name and not name.startswith("__")}
    for name, targets in MAY_IMPORT.items():
        if name:
            reached = {group_of(target) for target in targets if not target.startswith("__")}
            found.setdefault(group_of(name), set()).update(reached - {group_of(name)})
    return found


def direct(graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return only the arrows that no longer way replaces, so that the picture can be read."""
    below = {name: reach(graph, [name]) for name in graph}
    return {
        name: {target for target in targets if not any(target in below[other] for other in targets - {target})}
        for name, targets in graph.items()
    }


def reach(graph: Mapping[str, set[str]], start: Iterable[str]) -> set[str]:
    """Return whatever can be reached from some boxes, without themselves unless something leads back."""
    found: set[str] = set()
    waiting = [target for name in start for target in graph.get(name, ())]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += graph.get(name, ())
    return found


def rows(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the boxes from top to bottom: each above all that it may import.

    Raises:
        ValueError: two boxes may import each other.
    """
    depth: dict[str, int] = {}

    def measure(name: str, path: tuple[str, ...] = ()) -> int:
        if name in path:
            message = f"an arrow leads in a circle: {' → '.join((*path, name))}"
            raise ValueError(message)
        if name not in depth:
            depth[name] = 1 + max((measure(target, (*path, name)) for target in graph.get(name, ())), default=-1)
        return depth[name]

    for name in graph:
        measure(name)
    return [sorted(name for name, at in depth.items() if at == level) for level in range(max(depth.values()), -1, -1)]


def drawn() -> str:
    """Return the picture."""
    graph = edges()
    boxes = _placed(rows(graph))
    arrows = [
        Arrow(boxes[name], boxes[target], bend=_bend(boxes[name], boxes[target])).drawn()
        for name, targets in sorted(direct(graph).items())
        for target in sorted(targets)
    ]
    told = "; ".join(
        f"{name} to {', '.join(sorted(targets))}" for name, targets in sorted(direct(graph).items()) if targets
    )
    height = max(box.y for box in boxes.values()) + _ROW / 2
    return picture(_WIDTH, height, TITLE, f"Arrows lead: {told}.", [*arrows, *(box.drawn() for box in boxes.values())])


def _placed(levels: list[list[str]]) -> dict[str, Box]:
    boxes = {}
    for level, names in enumerate(levels):
        for place, name in enumerate(sorted(names, key=lambda name: (name != "local", name))):
            lines = _lines(GROUPS.get(name, ()))
            x = _WIDTH * (place + 0.5) / len(names)
            boxes[name] = Box(
                x, _ROW * (level + 0.5), min(300, _WIDTH / len(names) - 20), 32 + 14 * len(lines), name, lines
            )
    return boxes


def _lines(members: Iterable[str]) -> tuple[str, ...]:
    lines: list[str] = []
    for member in members:
        if lines and len(lines[-1]) + len(member) < 40:
            lines[-1] += f", {member}"
        else:
            lines.append(member)
    return tuple(lines) if len(lines) > 1 or (lines and "," in lines[0]) else ()


def _bend(start: Box, end: Box) -> float:
    """Lead an arrow that passes other rows around what stands between."""
    return 0.0 if end.y - start.y <= _ROW else 24.0
