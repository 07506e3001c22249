"""The parameters of each notebook: one schema, by which text is parsed strictly and the notebooks' cells are checked.

papermill guesses types and goes on with a mere warning when a name is unknown; a run that is to be compared with others
must not depend on a guess. So every value is parsed here, by its declared type, before a kernel starts. Pure.
"""

import ast
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..environments import NAMES
from ..errors import ConfigurationError
from .nearest import suggestion

Value = str | int | float | bool | None

PROFILES = ("quick", "full")
_SECRET = re.compile(r"(^|_)(password|passwd|secret|token|credentials?|api_?key)($|_)", re.IGNORECASE)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a notebook.

    Args:
        name: as in the notebook.
        type: ``str``, ``int``, ``float``, ``bool`` or ``Optional[int]``: those that papermill's own help understands.
        default: its value when none is given.
        help: what it is, with its unit.
        low: the smallest number allowed.
        high: the largest.
        choices: the only words allowed.
        schemes: how an address may begin, where one is asked for; empty text is none.
    """

    name: str
    type: str
    default: Value
    help: str = ""
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """The parameter as a notebook's ``parameters`` cell has to declare it."""
        default = f'"{self.default}"' if isinstance(self.default, str) else repr(self.default)
        return f"{self.name}: {self.type} = {default}  # {self.help}"

    def parse(self, text: str) -> Value:
        """Read a value from text, by the declared type alone.

        Raises:
            ConfigurationError: the text is no such value, or it is out of range.
        """
        example, parse = _TYPES[self.type]
        try:
            value = parse(text)
        except ValueError:
            message = f'parameter {self.name} must be {example}, not "{text}"'
            raise ConfigurationError(message) from None
        self._check(value, text)
        return value

    def _check(self, value: Value, text: str) -> None:
        if self.choices and value not in self.choices:
            message = f'there is no {self.name} "{text}": {suggestion(text, self.choices)}'
            raise ConfigurationError(message)
        if self.schemes and value and not str(value).startswith(self.schemes):  # not quoted: it may hold a password
            message = f"parameter {self.name} must be an address that begins with {', '.join(self.schemes)}"
            raise ConfigurationError(message)
        if isinstance(value, (int, float)) and not self.low <= value <= self.high:
            message = f"parameter {self.name} must be between {plain(self.low)} and {plain(self.high)}, not {text}"
            raise ConfigurationError(message)


def plain(number: float) -> str:
    """Write a bound: whole numbers with commas, others as short as they are."""
    return f"{int(number):,}" if number == int(number) else f"{number:g}"


def _whole(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise ValueError(text)
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if "_" in text or not math.isfinite(value):
        raise ValueError(text)
    return value


def _truth(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError(text)
    return text == "true"


def _whole_or_none(text: str) -> int | None:
    return None if text == "none" else _whole(text)


# What a value should look like, for messages; and how it is read.
_TYPES: Mapping[str, tuple[str, Callable[[str], Value]]] = {
    "str": ("text", str),
    "int": ("a whole number such as 40", _whole),
    "float": ("a number such as 0.5", _number),
    "bool": ("true or false", _truth),
    "Optional[int]": ("a whole number such as 2000, or none", _whole_or_none),
}

_ENVIRONMENT = Parameter("environment", "str", "local", "where the cache is: local, vercel or dedicated", choices=NAMES)
_ENVIRONMENTS = Parameter("environments", "str", "local,vercel", "which environments, separated by commas")
_PROFILE = Parameter("profile", "str", "quick", "how long to measure: quick or full", choices=PROFILES)
OPTIONS = {"environment": "--env", "environments": "--env", "profile": "--profile"}
"""Parameters that are set by an option of the command, not by ``-p``."""
_SCHEDULER = "a Dask scheduler's address such as tcp://10.0.0.5:8786, whose workers they are; empty: none"
_PRICES = "a file of prices over the usual ones, see docs/reference/cost.md; empty: the usual ones"
SCHEDULER_SCHEMES = ("tcp://", "tls://", "ucx://", "ws://", "wss://")
"""How the address of a Dask scheduler may begin; a test holds it to what opens one."""

_SKEW = "how much the reads concentrate on a few pages; 0 not at all, 1 as pages usually do"

_UNITS, _WRITES = ("", "s", "ms"), ("", "fills", "changes")  # of somebody else's trace

SCHEMAS: Mapping[str, tuple[Parameter, ...]] = MappingProxyType(
    {
        "00_check_connection": (_ENVIRONMENT,),
        "01_measure_cache_aside": (
            _ENVIRONMENT,
            Parameter(
                "requests", "Optional[int]", None, "how many reads; None for what the profile says", 100, 1_000_000
            ),
            Parameter("ttl", "float", 300.0, "seconds an entry lives", 0.001, 315_360_000),
            Parameter("keys", "int", 8, "how many different pages are asked for", 1, 1_000),
            Parameter("skew", "float", 1.0, _SKEW, 0, 5),
            Parameter("seed", "int", 1, "of the arrivals and of the choice of pages", 0, 2**32 - 1),
            _PROFILE,
            Parameter("workers", "int", 1, "how many processes make the reads; 1: the kernel itself", 1, 64),
            Parameter("scheduler", "str", "", _SCHEDULER, schemes=SCHEDULER_SCHEMES),
        ),
        "02_compare_environments": (
            _ENVIRONMENTS,
            Parameter(
                "requests",
                "Optional[int]",
                None,
                "how many reads in each environment; None for what the profile says",
                100,
                1_000_000,
            ),
            Parameter("properties", "int", 100, "how many properties the site has", 1, 1_000),
            Parameter(
                "requests_per_month",
                "int",
                1_000_000,
                "for how many reads a month the cost is reckoned",
                1,
                1_000_000_000_000,
            ),
            Parameter("prices", "str", "", _PRICES),
            Parameter("seed", "int", 1, "of arrivals, pages and changes", 0, 2**32 - 1),
            _PROFILE,
        ),
        "03_measure_lock_contention": (
            _ENVIRONMENT,
            Parameter("contenders", "int", 16, "the most callers at one lock; fewer are measured too", 2, 64),
            Parameter("body_ms", "float", 2.0, "milliseconds for which each of them holds it", 0, 1_000),
            Parameter(
                "rents", "Optional[int]", None, "how many rents to pay; None for what the profile says", 1, 100_000
            ),
            Parameter("seed", "int", 1, "of the pauses, losses and failures", 0, 2**32 - 1),
            _PROFILE,
        ),
        "04_tune_ttl": (
            _ENVIRONMENT,
            Parameter(
                "trace", "str", "", "a recording, a folder of them, a CSV file or what MONITOR printed; empty: drawn"
            ),
            Parameter(
                "unit", "str", "", "s or ms: of the times of a CSV file; empty: as it says itself", choices=_UNITS
            ),
            Parameter(
                "writes", "str", "", "fills or changes: what its writes are; empty: it has none", choices=_WRITES
            ),
            Parameter("namespace", "str", "", "what stands before the families in all keys; empty: nothing"),
            Parameter("target", "float", 0.9, "the share of reads that are to be hits", 0, 1),
            Parameter("max_outdated", "float", 1.0, "the share of reads that may be out of date; 1 for any", 0, 1),
            Parameter("hours", "float", 12.0, "how long the page mix lasts", 0.1, 168),
            Parameter("seed", "int", 1, "of the page mix", 0, 2**32 - 1),
            _PROFILE,
        ),
        "05_survive_failures": (
            _ENVIRONMENT,
            Parameter(
                "seconds", "float", 0.0, "how long each of seven phases lasts; 0 for what the profile says", 0, 3_600
            ),
            Parameter("rate", "float", 30.0, "reads per second", 1, 1_000),
            Parameter("keys", "int", 20, "how many different pages are asked for", 1, 1_000),
            Parameter("seed", "int", 1, "of the arrivals and of the choice of pages", 0, 2**32 - 1),
            _PROFILE,
        ),
        "06_monitor_cache": (
            _ENVIRONMENT,
            Parameter("seconds", "float", 0.0, "how long to watch; 0 for what the profile says", 0, 86_400),
            Parameter("every", "float", 1.0, "seconds between two looks", 0.2, 3_600),
            Parameter("traffic", "float", 30.0, "reads per second that visitors of our own make; 0: none", 0, 1_000),
            Parameter("namespace", "str", "", "what stands before the keys to watch when traffic is 0"),
            Parameter("seed", "int", 1, "of those visitors", 0, 2**32 - 1),
            _PROFILE,
        ),
        "07_measure_invalidation": (
            _ENVIRONMENT,
            Parameter(
                "seconds",
                "float",
                0.0,
                "how long each of three ways is measured; 0 for what the profile says",
                0,
                3_600,
            ),
            Parameter("rate", "float", 60.0, "reads per second", 1, 1_000),
            Parameter("changes", "float", 4.0, "changes per second, of any row", 0.1, 100),
            Parameter("load_ms", "float", 300.0, "milliseconds that a load takes", 0, 5_000),
            Parameter("ttl", "float", 3.0, "seconds an entry lives", 0.1, 3_600),
            Parameter("seed", "int", 1, "of reads and changes", 0, 2**32 - 1),
            _PROFILE,
        ),
        "08_overview": (
            _ENVIRONMENTS,
            Parameter("runs", "str", "", "the folder of all runs; empty: the suite's own reports"),
        ),
    }
)
"""What each notebook of this suite takes. A test holds their ``parameters`` cells to it."""


def resolve(notebook: str, given: Mapping[str, str], declared: Iterable[Parameter] | None = None) -> dict[str, Value]:
    """Return every parameter of a notebook with its value: the one given, else the default.

    Args:
        notebook: its name, for messages and to find its schema.
        given: name → text, as typed.
        declared: the parameters of a notebook that is not of this suite; default: the schema's.

    Raises:
        ConfigurationError: a name is unknown, a value is of the wrong type or out of range, or a secret is given.
    """
    known = {parameter.name: parameter for parameter in (SCHEMAS[notebook] if declared is None else declared)}
    for name in given:
        if name not in known:
            message = f'notebook {notebook} has no parameter "{name}": {suggestion(name, known)}'
            raise ConfigurationError(message)
        if _SECRET.search(name):
            message = f"{name} would be written into the report: hand secrets over in environment variables"
            raise ConfigurationError(message)
    return {name: known[name].parse(given[name]) if name in given else known[name].default for name in known}


def resolve_all(
    declared: Mapping[str, Iterable[Parameter]], given: Mapping[str, str], profile: str
) -> dict[str, dict[str, Value]]:
    """Return the parameters of several notebooks; each takes those of the given ones that it has.

    Args:
        declared: the parameters of each notebook.
        given: name → text, as typed, for all of them.
        profile: for the notebooks that have a ``profile``.

    Raises:
        ConfigurationError: as :func:`resolve`, or no notebook has a given parameter, or it has an option of its own.
    """
    known = {notebook: list(parameters) for notebook, parameters in declared.items()}
    _check_names(known, given)
    given = {**given, "profile": profile}
    return {
        notebook: resolve(notebook, {p.name: given[p.name] for p in parameters if p.name in given}, parameters)
        for notebook, parameters in known.items()
    }


def _check_names(declared: Mapping[str, Iterable[Parameter]], given: Mapping[str, str]) -> None:
    names = {parameter.name for parameters in declared.values() for parameter in parameters}
    for name in given:
        if name in OPTIONS:
            option = OPTIONS[name]
            message = f"parameter {name} is set by {option}"
            raise ConfigurationError(message)
        if name not in names:
            message = f'no notebook here has a parameter "{name}": {suggestion(name, sorted(names))}'
            raise ConfigurationError(message)


def declared_in(source: str) -> tuple[Parameter, ...]:
    """Read the parameters that a notebook's ``parameters`` cell declares, for notebooks that are not of this suite.

    Args:
        source: the cell; ``name: type = value`` and ``name = value`` with a literal value are understood, else skipped.

    Raises:
        SyntaxError: the cell is not Python.
    """
    found = (_declaration(statement) for statement in ast.parse(source).body)
    return tuple(parameter for parameter in found if parameter)


def _declaration(statement: ast.stmt) -> Parameter | None:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=ast.expr() as value):
            kind = ast.unparse(annotation)
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            kind = ""
        case _:
            return None
    try:
        default = ast.literal_eval(value)
    except ValueError:
        return None
    kind = kind or type(default).__name__
    return Parameter(name, kind, default) if kind in _TYPES else None
