"""``dousell-cache report``: execute notebooks in environments and write a page about them."""

import argparse
import os
import shlex
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..environments import NAMES
from ..errors import CacheUnavailable, ConfigurationError
from ..languages import LANGUAGES
from . import scheduling
from .phases import teller

if TYPE_CHECKING:
    from ..reporting.measuring import Stage
    from ..reporting.record import EnvironmentRecord
    from ..reporting.request import Request
    from ..reporting.run import Finished
    from ..reporting.stopping import Watch
    from ..reporting.wording import Wording

_ENVIRONMENTS = "local,vercel"
_NOTEBOOKS = (
    "00_check_connection",
    "01_measure_cache_aside",
    "02_compare_environments",
    "03_measure_lock_contention",
)
_OUT = "reports"
_OWN = ("workers", "scheduler")  # parameters of notebooks that are options too
_FAILED = 3

Name = TypeVar("Name", bound=str)


def add(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "report",
        help="measure in several environments and write a page about it",
        description="Execute notebooks in each environment, in a process of its own, and write a folder with a page, "
        "the executed notebooks, results.json, samples.parquet and status.json.",
        epilog="Exit codes, worst first: 130 or 143 stopped by a signal, 3 a notebook failed, 4 an environment cannot "
        "be reached, 1 a target is missed, 5 too few samples to say, 0 all targets are met, or nothing was judged. "
        "2: wrong usage. 75: another run holds the lock.",
    )
    _add_measuring(parser)
    parser.add_argument("--out", default=_OUT, metavar="DIR", help="the folder of all runs; default %(default)s")
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        help="how long one environment may take, and one cell half of it; default 180 (quick) or 3600 (full)",
    )
    parser.add_argument("--json", action="store_true", help="print results.json instead of a line")
    scheduling.add(parser)
    parser.set_defaults(run=run)


def _add_measuring(parser: argparse.ArgumentParser) -> None:
    """Add what says what is measured, where and how."""
    parser.add_argument(
        "--env", default=_ENVIRONMENTS, metavar="NAMES", help="separated by commas; default %(default)s"
    )
    parser.add_argument(
        "--notebook",
        action="append",
        metavar="NAME",
        help="a notebook's name or number, or a path; may be repeated; default 00 to 03",
    )
    parser.add_argument("--profile", default="quick", metavar="NAME", help="quick or full; default %(default)s")
    parser.add_argument(
        "-p", dest="parameters", action="append", default=[], metavar="NAME=VALUE", help="set a notebook's parameter"
    )
    parser.add_argument(
        "--help-notebook", action="store_true", help="say what parameters the notebooks take, and run nothing"
    )
    parser.add_argument(
        "--kpis", metavar="FILE", help="targets in TOML, over the usual ones; see docs/reference/kpis.md"
    )
    parser.add_argument(
        "--workers",
        metavar="N",
        help="how many processes make the load, where a notebook has that parameter; default 1",
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="whose workers they are: a Dask cluster's scheduler, such as tcp://HOST:8786",
    )
    parser.add_argument(
        "--lang",
        default="en",
        metavar="CODE",
        help="of the pages and of the line printed: en or fr; default %(default)s",
    )


def run(options: argparse.Namespace) -> int:
    """Check everything, execute, write the report, print where it is; return the exit code."""
    if options.help_notebook:
        return _explain(options.notebook or _NOTEBOOKS)
    request = requested(options)
    rules, _ = scheduling.retention(options), scheduling.limit(options)  # checked before anything is run
    if options.dry_run:
        return scheduling.show_plan(request, options)
    from ..reporting.folder import ReportNotWritten
    from ..reporting.run_lock import RunLocked
    from ..reporting.wording import Wording

    wording = Wording(request.language)
    try:
        with scheduling.guarded(options) as watches:
            finished = _carried_out(request, options, watches, wording)
            _tell(finished, options, wording)
            scheduling.afterwards(finished, _shown(finished.page), rules, options)
    except RunLocked as error:
        print(f"dousell-cache: {error}", file=sys.stderr)
        return scheduling.LOCKED
    except ReportNotWritten as error:
        print(f"dousell-cache: {error}", file=sys.stderr)
        return _FAILED
    except (ConfigurationError, CacheUnavailable):
        raise
    except Exception:  # noqa: BLE001 - Python's own exit code, 1, would say that a target is missed
        traceback.print_exc()
        return _FAILED
    return finished.results.exit_code


def _carried_out(
    request: "Request", options: argparse.Namespace, watches: "Sequence[Watch]", wording: "Wording"
) -> "Finished":
    from ..dousell.stand_in import kept_running
    from ..reporting.run import run as run_report

    with _progress(wording, lines=options.progress) as observe, kept_running(request.environments):
        return run_report(request, Path(options.out), observe=observe, watches=watches)


def _tell(finished: "Finished", options: argparse.Namespace, wording: "Wording") -> None:
    print((finished.folder / "results.json").read_text("utf-8").rstrip() if options.json else _line(finished, wording))


def _explain(words: Iterable[str]) -> int:
    """Print what parameters notebooks take, by the schema that refuses all others."""
    from ..reporting import catalog
    from ..reporting.parameter_help import help_text

    print("\n\n".join(help_text(notebook.name, notebook.parameters) for notebook in catalog.find_all(words)))
    return 0


def requested(options: argparse.Namespace) -> "Request":
    """Return what the options ask for, everything checked.

    Raises:
        ConfigurationError: a name is unknown, or a value is of the wrong type or out of range.
    """
    from ..reporting.startup import skip_slow_imports

    skip_slow_imports()
    from ..reporting import catalog
    from ..reporting.parameters import resolve_all
    from ..reporting.request import SECONDS, Request

    judge_by(options.kpis)
    environments = _environments(options.env)
    profile = _known(options.profile, "profile", tuple(SECONDS))
    notebooks = catalog.find_all(options.notebook or _NOTEBOOKS)
    declared = {notebook.name: notebook.parameters for notebook in notebooks}
    parameters = resolve_all(declared, _given(_pairs(options)), profile)
    seconds = SECONDS[profile] if options.timeout is None else scheduling.seconds("--timeout", options.timeout)
    language = _known(options.lang, "language", LANGUAGES)
    command = _command(options)
    return Request(environments, notebooks, parameters, profile, seconds, command, options.parallel, language)


def judge_by(path: str | None) -> None:
    """Have this process, and those that it starts, judge by a file of targets.

    Args:
        path: the file; None for the one that the environment variable names, if any.

    Raises:
        ConfigurationError: the file cannot be read or makes no sense.
    """
    from ..measure.kpis import KPIS_VARIABLE, kpis_in_force

    named = os.environ.get(KPIS_VARIABLE, "").strip() if path is None else path
    if named or path is not None:
        os.environ[KPIS_VARIABLE] = str(Path(named).absolute())  # kernels work in a folder of their own
    kpis_in_force()


def _environments(text: str) -> list[str]:
    names: list[str] = [_known(name.strip(), "environment", NAMES) for name in text.split(",")]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        message = f"the environment {twice} is asked for twice"
        raise ConfigurationError(message)
    return names


def _known(word: str, kind: str, names: tuple[Name, ...]) -> Name:
    from ..reporting.nearest import suggestion

    if word not in names:
        message = f'there is no {kind} "{word}": {suggestion(word, names)}'
        raise ConfigurationError(message)
    return next(name for name in names if name == word)


def _pairs(options: argparse.Namespace) -> list[str]:
    """Return the notebooks' parameters as given by -p, and by those that have an option of their own."""
    own = [f"{name}={value}" for name in _OWN if (value := getattr(options, name)) is not None]
    return [*options.parameters, *own]


def _given(pairs: list[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            message = f'-p "{pair}" must be NAME=VALUE, such as -p requests=500'
            raise ConfigurationError(message)
        if name in given:
            message = f"parameter {name} is given twice"
            raise ConfigurationError(message)
        given[name] = value
    return given


def _command(options: argparse.Namespace) -> str:
    words = ["dousell-cache", "report", "--env", options.env, "--profile", options.profile]
    words += [word for name in options.notebook or () for word in ("--notebook", name)]
    words += [word for pair in options.parameters for word in ("-p", pair)]
    words += ["--kpis", options.kpis] if options.kpis else []
    words += [
        word for name in _OWN if getattr(options, name) is not None for word in (f"--{name}", getattr(options, name))
    ]
    words += ["--timeout", options.timeout] if options.timeout else []
    words += ["--lang", options.lang] if options.lang != "en" else []
    return shlex.join([*words, *scheduling.words(options)])


def _line(finished: "Finished", wording: "Wording") -> str:
    results = finished.results
    word = wording.plain("word.stopped" if results.exit_code > 128 else f"word.{results.verdict}")
    each = "; ".join(f"{_part(name, wording)} {_finding(record, wording)}" for name, record in results.parts.items())
    return f"{word} ({each}): {_shown(finished.page)}"


def _part(name: str, wording: "Wording") -> str:
    """Return what an environment is called, or all of them together."""
    from ..reporting.record import TOGETHER

    return wording.plain("cli.together") if name == TOGETHER else name


def _finding(record: "EnvironmentRecord", wording: "Wording") -> str:
    """Return an environment's verdict in a word, and why when it is no pass."""
    word = wording.plain(f"word.{record.verdict}")
    if record.reason:
        return f"{word}: {record.reason}"
    results = [notebook.result for notebook in record.notebooks.values() if notebook.result]
    open_ = [verdict for result in results for verdict in result.verdicts if verdict.word == record.verdict != "pass"]
    told = [
        wording.plain("cli.target", label=wording.kpi(v.kpi), value=wording.seen(v), target=wording.target(v.kpi))
        for v in open_
    ]
    finding = f"{word}: {', '.join(told)}" if told else word
    alarmed = wording.plain("cli.and").join(wording.kpi(alert.kpi) for alert in record.alerts)
    return f"{finding}; {wording.plain('cli.alert', labels=alarmed)}" if alarmed else finding


def _shown(path: Path) -> str:
    """Return a path as one would type it here: relative where that is shorter."""
    relative = os.path.relpath(path)
    return str(path.resolve()) if relative.startswith("..") else relative


@contextmanager
def _progress(wording: "Wording", *, lines: bool) -> "Iterator[Callable[[Stage], None]]":
    """Yield what shows how far the run is: a bar on a terminal, else nothing, or a line for each phase if asked for."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    tell = teller(quiet=not lines)
    tell(wording.plain("cli.starting"))
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(wording.plain("cli.starting"), total=1.0)

        def observe(stage: "Stage") -> None:
            where = f"{_part(stage.environment, wording)} · {stage.notebook or wording.plain('cli.ready')}"
            bar.update(task, completed=stage.fraction, description=where)
            tell(where)

        yield observe
