"""The arrows of the design, read from the imports; the budgets, read from the source; docstrings on what is public.

A module that no rule names fails here too: say in ``MAY_IMPORT`` where it stands.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import dousell_cache

ROOT = Path(dousell_cache.__file__).parent
MOST_CODE_LINES, MOST_FILE_LINES = 40, 400

# What each module of the core may import of this package, each package outside it likewise; the nearest name decides.
FLOWS = {
    "context",
    "debts",
    "entries",
    "errors",
    "events",
    "flights",
    "loading",
    "lock_outcomes",
    "locks",
    "near",
    "policy",
    "reads",
    "renewals",
    "store",
    "terms",
}
FACES = FLOWS | {
    "cached",
    "clocks",
    "explaining",
    "face",
    "flows",
    "transport.connect",
    "transport.port",
    "transport.tracking",
    "warming",
}
CORE: dict[str, set[str]] = {
    "errors": set(),
    "runner": set(),
    "clocks": set(),
    "events": set(),
    "frozen": set(),
    "keys": set(),
    "debts": set(),
    "scripts": set(),
    "families": {"events"},
    "histogram": set(),
    "recording": {"events", "families", "histogram"},
    "lookups": {"scripts", "transport.port"},
    "flushing": {"context", "errors", "recording", "scripts"},
    "pacing": {"transport.port"},
    "terms": {"errors", "policy"},
    "lock_store": {"errors", "keys", "scripts", "store", "terms", "transport.replies"},
    "hold": {"context", "errors", "events", "lock_store", "terms"},
    "locking": {"errors", "events", "hold", "lock_store", "pacing", "terms"},
    "watches": {"hold", "locking", "runner"},
    "lock_outcomes": {"errors", "locks"},
    "locks": {"context", "errors", "hold", "locking", "policy", "runner", "terms", "watches"},
    "addresses": set(),
    "entries": {"errors"},
    "policy": {"errors"},
    "templates": {"errors"},
    "warming": {"errors", "policy"},
    "signatures": {"entries", "errors"},
    "near": {"entries", "errors", "frozen", "keys"},
    "environments": {"addresses", "errors"},
    "transport": {"errors"},
    "transport.port": set(),
    "transport.replies": {"errors", "transport.port"},
    "transport.redaction": set(),
    "transport.deadline": set(),
    "transport.invalidations": set(),
    "transport.tracking": {"transport.invalidations"},
    "transport.patience": {"errors", "events", "transport.port"},
    "transport.nowhere": {"errors", "transport.port"},
    "transport.resp": {"transport.port"},
    "transport.shelf": {"errors"},
    "transport.links": {"transport.resp"},
    "transport.counted": {"transport.port"},
    "transport.waiting": {"transport.links", "transport.shelf"},
    "transport.pools": {"errors"},
    "transport.translation": {"errors", "transport.redaction", "transport.resp", "transport.waiting"},
    "transport.tcp": {
        "errors",
        "transport.links",
        "transport.pools",
        "transport.port",
        "transport.redaction",
        "transport.resp",
        "transport.shelf",
        "transport.translation",
        "transport.waiting",
    },
    "transport.cluster": {"addresses", "errors", "transport.port", "transport.replies", "transport.tcp"},
    "transport.sentinel": {"addresses", "errors", "transport.pools", "transport.tcp"},
    "transport.rest": {"errors", "transport.deadline", "transport.port", "transport.redaction"},
    "transport.connect": {"addresses", "environments", "errors", "transport"},
    "reads": {"errors", "transport.port", "transport.replies"},
    "store": {"entries", "errors", "keys", "policy", "reads", "scripts", "transport.port", "transport.replies"},
    "flights": {"errors", "events", "runner"},
    "renewals": {"runner"},
    "context": {"debts", "events", "flights", "near", "policy", "renewals", "store", "transport.port"},
    "scanning": {"errors", "store", "transport.port", "transport.replies"},
    "withdrawing": {"context", "debts", "errors", "events", "flights", "scanning"},
    "looking": {"context", "entries", "errors", "near", "store", "withdrawing"},
    "loading": {"context", "entries", "errors", "events", "flights", "looking", "pacing", "policy", "store"},
    "flows": {
        "context",
        "debts",
        "entries",
        "errors",
        "events",
        "flights",
        "loading",
        "looking",
        "policy",
        "withdrawing",
    },
    "explaining": {"context", "entries", "errors", "events", "looking"},
    "cached": {"errors", "signatures", "templates"},
    "face": FLOWS
    | {
        "environments",
        "flushing",
        "keys",
        "lookups",
        "recording",
        "transport.connect",
        "transport.counted",
        "transport.patience",
        "transport.port",
    },
    "cache": FACES | {"runner"},
    "async_cache": FACES,
    "connecting": {"async_cache", "cache", "environments", "face", "policy", "terms", "transport.connect"},
    "": {
        "async_cache",
        "cache",
        "connecting",
        "context",
        "environments",
        "errors",
        "loading",
        "lock_outcomes",
        "locks",
        "near",
    },
    "inquiry": {"errors", "transport.port"},
    "audit": {"inquiry"},
}
CHECK = {"audit", "cache", "environments", "errors", "face", "inquiry", "runner", "transport"}
EVERYTHING_IN_THE_CORE = set(CORE) - {""}
SITE = EVERYTHING_IN_THE_CORE | {"check", "dousell", "local"}
MAY_IMPORT: dict[str, set[str]] = CORE | {
    "check": CHECK,
    "adapters": {"adapters", "errors", "events", "families"},
    "env_file": {"errors"},
    "local": {"errors", "local", "__version__"},
    "testing": EVERYTHING_IN_THE_CORE | {"local", "testing"},
    "dousell": SITE,
    "languages": set(),
    "languages.notebooks": {"languages"},
    "dousell.receipts": {"languages"},
    "dousell.paydunya": {"errors"},
    "dousell.ledger": {"errors", "local", "dousell.origin"},
    "dousell.ending": set(),
    "dousell.charging": {"errors", "locks", "dousell.ledger", "dousell.paydunya", "dousell.receipts"},
    "dousell.payments": {
        "async_cache",
        "errors",
        "locks",
        "dousell.charging",
        "dousell.ending",
        "dousell.ledger",
        "dousell.paydunya",
        "dousell.receipts",
    },
    "dousell.properties": {
        "async_cache",
        "errors",
        "dousell.ending",
        "dousell.ledger",
        "dousell.origin",
        "dousell.receipts",
    },
    "dousell.pages": {
        "async_cache",
        "dousell.ledger",
        "dousell.origin",
        "dousell.properties",
        "dousell.receipts",
        "dousell.visits",
    },
    "dousell.visits": {"async_cache", "errors", "dousell.ending", "dousell.ledger", "dousell.receipts"},
    "measure": SITE | {"measure"},
    "measure.stats": {"errors"},
    "measure.phases": {"events", "measure.load_result"},
    "measure.plans": {"errors"},
    "measure.withdrawals": set(),
    "measure.survival": SITE | {"measure", "testing.faults"},
    "monitor": SITE | {"adapters", "measure", "monitor"},
    "monitor.figures": {"measure.stats", "monitor.node_figures"},
    "monitor.node_figures": set(),
    "monitor.alert_causes": {"monitor.figures"},
    "monitor.alert_rules": {"measure.kpis", "monitor.alert_causes", "monitor.figures"},
    "monitor.alerts": {"monitor.alert_rules", "monitor.figures"},
    "tuning": SITE | {"measure", "tuning"},
    "tuning.trace": {"errors"},
    "tuning.streams": {"tuning.trace"},
    "tuning.tallies": set(),
    "tuning.tangles": {"tuning.streams"},
    "tuning.rules": {"tuning.streams", "tuning.tallies"},
    "tuning.chains": {"tuning.streams", "tuning.tallies"},
    "tuning.playback": {"tuning.chains", "tuning.rules", "tuning.streams", "tuning.tallies", "tuning.tangles"},
    "tuning.curves": {"tuning.playback", "tuning.rules", "tuning.streams", "tuning.trace"},
    "tuning.analytic": {"tuning.trace"},
    "tuning.bounds": {"tuning.curves", "tuning.trace"},
    "tuning.spread": set(),
    "tuning.goals": set(),
    "tuning.points": {"tuning.curves", "tuning.goals", "tuning.spread", "tuning.trace"},
    "tuning.search": {"tuning.goals", "tuning.points", "tuning.spread"},
    "tuning.namespaces": {"tuning.trace"},
    "tuning.total": {"tuning.advice", "tuning.goals", "tuning.reasons"},
    "tuning.reasons": {"tuning.goals", "tuning.spread"},
    "tuning.design": set(),
    "tuning.tuned": {
        "tuning.advice",
        "tuning.analytic",
        "tuning.bounds",
        "tuning.curves",
        "tuning.goals",
        "tuning.points",
        "tuning.search",
        "tuning.spread",
        "tuning.total",
        "tuning.trace",
    },
    "tuning.advice": {
        "tuning.bounds",
        "tuning.curves",
        "tuning.goals",
        "tuning.points",
        "tuning.reasons",
        "tuning.search",
        "tuning.trace",
    },
    "tuning.pseudonyms": set(),
    "tuning.writes": set(),
    "tuning.rows": {"events", "tuning.pseudonyms"},
    "reporting": SITE | {"env_file", "languages", "measure", "monitor", "tuning", "reporting", "__version__"},
    "cli": SITE
    | {"languages", "measure", "monitor", "tuning", "reporting", "testing", "cli", "env_file", "__version__"},
}
# Loaded inside a function, where it is needed and perhaps not installed.
MAY_IMPORT_LATE: dict[str, set[str]] = {"transport.connect": {"local"}}

# What the core may import from outside: what a serverless function carries. Elsewhere in the core: nothing.
CLIENTS: dict[str, set[str]] = {
    "transport.resp": {"hiredis"},
    "transport.pools": {"redis"},
    "transport.cluster": {"redis"},
    "transport.sentinel": {"redis"},
    "transport.tracking": {"redis"},
    "transport.translation": {"redis"},
    "transport.deadline": {"httpcore", "httpx"},
    "transport.rest": {"upstash_redis", "httpx"},
    "check": {"msgspec"},
} | {name: {"msgspec"} for name in ("audit", "entries", "events", "flights", "inquiry", "loading", "looking", "store")}
# Time, chance and waiting come to these through the port and the clock.
PURE = {
    "addresses",
    "audit",
    "cached",
    "context",
    "debts",
    "dousell.receipts",
    "entries",
    "environments",
    "errors",
    "events",
    "explaining",
    "families",
    "flows",
    "flushing",
    "frozen",
    "histogram",
    "inquiry",
    "keys",
    "loading",
    "lock_store",
    "locking",
    "looking",
    "lookups",
    "monitor.alert_causes",
    "monitor.alert_rules",
    "monitor.alerts",
    "near",
    "pacing",
    "policy",
    "recording",
    "runner",
    "scanning",
    "scripts",
    "signatures",
    "store",
    "templates",
    "terms",
    "testing.ledger_checker",
    "transport.invalidations",
    "transport.replies",
    "tuning.advice",
    "tuning.analytic",
    "tuning.bounds",
    "tuning.chains",
    "tuning.curves",
    "tuning.goals",
    "tuning.namespaces",
    "tuning.points",
    "tuning.pseudonyms",
    "tuning.reasons",
    "tuning.playback",
    "tuning.rows",
    "tuning.rules",
    "tuning.search",
    "tuning.spread",
    "tuning.streams",
    "tuning.tallies",
    "tuning.tangles",
    "tuning.total",
    "tuning.trace",
    "tuning.tuned",
    "tuning.writes",
    "withdrawing",
}
IMPURE = {"asyncio", "time", "datetime", "random", "secrets", "socket", "subprocess", "os", "sys", "pathlib", "uuid"}
# Types of values: no clock is read, nothing is drawn.
PURE_BUT = {
    "terms": {"datetime"},
    "policy": {"datetime"},
    "cached": {"asyncio", "sys"},  # to look asynchronous where it is
    "templates": {"datetime", "uuid"},
    "frozen": {"datetime", "uuid"},
    "dousell.receipts": {"datetime", "uuid"},
    "recording": {"datetime"},
    "monitor.alerts": {"datetime"},
    "near": {"os"},  # to begin anew in a forked child
}


def modules() -> dict[str, str]:
    """Return the source of every module by its name inside the package; the package itself is the empty name."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path.read_text("utf-8")
    return found


MODULES = modules()
PACKAGES = {name for name in MODULES if (ROOT / Path(*name.split("."), "__init__.py")).exists()}


def imports(name: str, source: str) -> Iterator[tuple[str, bool]]:
    """Yield what a module imports: a dotted name, which begins with a dot inside this package, and whether late."""
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    late = {inner for function in functions for inner in ast.walk(function)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield inside(alias.name), node in late
        if isinstance(node, ast.ImportFrom):
            for target in targets(name, node):
                yield target, node in late


def targets(name: str, node: ast.ImportFrom) -> Iterator[str]:
    """Yield what one ``from … import …`` reaches: modules where it names modules, else the module it takes from."""
    base = inside(node.module or "")
    if node.level:
        package = name.split(".") if name in PACKAGES else name.split(".")[:-1]
        package = package[: len(package) - node.level + 1]
        base = "." + ".".join([*filter(None, package), *([node.module] if node.module else [])])
    for alias in node.names:
        deeper = f"{base}.{alias.name}".replace("..", ".")
        yield deeper if deeper[1:] in MODULES or base == "." else base


def inside(name: str) -> str:
    """Return an absolute name, with a dot before it where it means this package."""
    head, _, rest = name.partition(".")
    return f".{rest}" if head == "dousell_cache" else name


def rule(name: str, rules: dict[str, set[str]]) -> set[str] | None:
    """Return the rule of a module: its own, or that of the nearest package above it."""
    while name not in rules:
        if not name:
            return None
        name = name.rpartition(".")[0]
    return rules[name]


def allowed(target: str, permitted: set[str]) -> bool:
    """Tell whether a module, or a package that it is in, is permitted."""
    return any(target == one or target.startswith(f"{one}.") for one in permitted)


def wrong_arrows(name: str, source: str) -> list[str]:
    """Return what a module imports of this package and should not."""
    permitted = rule(name, MAY_IMPORT) if name else MAY_IMPORT[""]
    if permitted is None or (name and rule(name, MAY_IMPORT) is MAY_IMPORT[""]):
        return [f"no rule says what {name} may import"]
    late = MAY_IMPORT_LATE.get(name, set())
    return [
        target[1:]
        for target, is_late in imports(name, source)
        if target.startswith(".") and not allowed(target[1:], permitted | (late if is_late else set()))
    ]


def foreign(name: str, source: str) -> set[str]:
    """Return the packages that a module imports from outside this one and the standard library."""
    heads = {target.partition(".")[0] for target, _ in imports(name, source) if not target.startswith(".")}
    return heads - set(sys.stdlib_module_names)


def test_arrows_point_one_way() -> None:
    """A module imports what stands below it in the design, and nothing else of this package."""
    wrong = {name: wrong_arrows(name, source) for name, source in MODULES.items()}
    assert {name: arrows for name, arrows in wrong.items() if arrows} == {}


@pytest.mark.parametrize(
    ("name", "source", "wrong"),
    [
        ("flows", "from .cache import Cache", ["cache"]),
        ("flows", "from . import cache", ["cache"]),
        ("flows", "import dousell_cache.cache", ["cache"]),
        ("flows", "from dousell_cache import cache", ["cache"]),
        ("flows", "from .transport.tcp import BlockingTcp", ["transport.tcp"]),
        ("flows", "def late():\n    from .local import embedded", ["local"]),
        ("cache", "from .measure.stats import Interval", ["measure.stats"]),
        ("transport.connect", "from ..local import embedded", ["local"]),
        ("transport.connect", "def late():\n    from ..local import embedded", []),
        ("transport.connect", "def late():\n    from ..dousell import site", ["dousell.site"]),
        ("measure.stats", "from .load import run_open_loop", ["measure.load"]),
        ("dousell.site", "from ..measure import load", ["measure.load"]),
        ("local.gateway", "from ..cache import connect", ["cache"]),
        ("newcomer", "import os", ["no rule says what newcomer may import"]),
    ],
)
def test_a_wrong_arrow_is_found(name: str, source: str, wrong: list[str]) -> None:
    """However it is written, at the top or inside a function, an import against the design is seen."""
    assert wrong_arrows(name, source) == wrong


@pytest.mark.parametrize("name", [*CORE, "check"])
def test_the_core_carries_only_its_clients(name: str) -> None:
    """The core imports redis, upstash-redis (and the httpx that comes with it) and msgspec, each where it belongs."""
    assert foreign(name, MODULES[name]) <= CLIENTS.get(name, set())


def test_every_part_of_the_core_has_a_rule_of_its_own() -> None:
    """No module slips into the core under the rule of another."""
    transport = {name for name in MODULES if name.startswith("transport.")}
    assert transport <= set(CORE)
    assert set(CORE) <= set(MODULES)


@pytest.mark.parametrize("name", sorted(PURE))
def test_what_is_pure_reads_no_clock_and_reaches_nothing(name: str) -> None:
    """Flows and what they decide by import no asyncio, no clock, no chance and no way out."""
    heads = {target.partition(".")[0] for target, _ in imports(name, MODULES[name])}
    assert heads & IMPURE <= PURE_BUT.get(name, set())


def test_files_keep_their_budget() -> None:
    """No file is longer than can be read in one go."""
    lengths = {name: len(source.splitlines()) for name, source in MODULES.items()}
    assert {name: length for name, length in lengths.items() if length > MOST_FILE_LINES} == {}


def test_functions_keep_their_budget() -> None:
    """No function's body is longer than a screen, docstring, comments and blank lines not counted."""
    lengths = {
        (name, node.name): code_lines(node, source.splitlines())
        for name, source in MODULES.items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    assert {name: length for name, length in lengths.items() if length > MOST_CODE_LINES} == {}


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]) -> int:
    """Count the lines of code in a function's body."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    if not body:
        return 0
    text = (line.strip() for line in lines[body[0].lineno - 1 : function.end_lineno])
    return sum(bool(line) and not line.startswith("#") for line in text)


def test_what_is_public_says_what_it_does() -> None:
    """Every module, public class, function and method has a docstring."""
    silent = {name: list(undocumented(ast.parse(source))) for name, source in MODULES.items()}
    assert {name: names for name, names in silent.items() if names} == {}


def undocumented(scope: ast.Module | ast.ClassDef) -> Iterator[str]:
    """Yield public definitions without a docstring, and the module itself if it has none."""
    if isinstance(scope, ast.Module) and not ast.get_docstring(scope):
        yield "the module"
    for node in scope.body:
        if not isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) or node.name.startswith("_"):
            continue
        is_overload = any(getattr(decorator, "id", "") == "overload" for decorator in node.decorator_list)
        if not ast.get_docstring(node) and not is_overload:
            yield node.name
        if isinstance(node, ast.ClassDef):
            yield from undocumented(node)


def test_public_names_are_there_and_explained() -> None:
    """What the package offers can be imported from it, and says what it is."""
    for name in dousell_cache.__all__:
        offered = getattr(dousell_cache, name)
        explained = offered if callable(offered) else type(offered)
        assert explained.__doc__, name
    assert list(dousell_cache.__all__) == sorted(dousell_cache.__all__, key=lambda name: (not name.isupper(), name))
