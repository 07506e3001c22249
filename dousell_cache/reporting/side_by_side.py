"""Kept runs side by side, and a kept run against its history: which of their results go together."""

from pathlib import Path

from msgspec.structs import replace

from ..errors import ConfigurationError
from ..measure.compare import Comparison, compare_results
from ..measure.history import History, against_history
from ..measure.kpis import kpis_in_force
from ..measure.result import Result
from .compared import CompareDocument, document
from .runs import Kept, all_runs, open_run, split


def compare_kept(a: str, b: str, out: Path, *, across_hosts: bool = False) -> CompareDocument:
    """Compare two runs, in each environment that both have, or in the ones that are named.

    Args:
        a: a run, ``RUN`` or ``RUN:environment``; see :func:`.runs.open_run`.
        b: the one that is judged.
        out: the folder of all runs.
        across_hosts: whether results of different machines may be compared.

    Raises:
        ConfigurationError: there is no such run, nothing that both have, or they were measured on different machines.
    """
    (word, in_a), (other, in_b) = split(a), split(b)
    first, second = open_run(word, out), open_run(other, out)
    pairs = _environments(first, second, in_a, in_b)
    found = [found for pair in pairs for found in _comparisons(first, second, pair, across_hosts)]
    return document(
        "runs", comparisons=[replace(one, caveats=[*one.caveats, *_of_order(first, second)]) for one in found]
    )


def _of_order(first: Kept, second: Kept) -> list[str]:
    """Say that one run measured its environments at once, which makes times longer, and the other did not."""
    if first.results.run.parallel == second.results.run.parallel:
        return []
    at_once, in_turns = ("A", "B") if first.results.run.parallel else ("B", "A")
    return [f"{at_once} measured its environments at once, so that they disturbed each other, and {in_turns} in turns"]


def compare_with_history(run: str, out: Path) -> CompareDocument:
    """Compare a run with earlier runs like it, in each of its environments, or in the one that is named.

    A run whose environments were measured at once is like others of its kind only.

    Args:
        run: ``RUN`` or ``RUN:environment``.
        out: the folder of all runs.

    Raises:
        ConfigurationError: there is no such run, or it measured nothing.
    """
    word, only = split(run)
    now = open_run(word, out)
    earlier = list(all_runs(out))
    environments = [only] if only else [name for name in now.environments if now.found(name)]
    histories = [found for name in environments for found in _histories(now, earlier, name)]
    if not histories:
        message = f"run {now.id} measured nothing that could have a history"
        raise ConfigurationError(message)
    return document("history", histories=histories)


def _environments(first: Kept, second: Kept, in_a: str | None, in_b: str | None) -> list[tuple[str, str]]:
    """Return which environment of A goes with which of B: those named, else those that both have."""
    ours, theirs = first.environments, second.environments
    if in_a or in_b:
        return [(in_a or str(in_b), in_b or str(in_a))]
    both = [(name, name) for name in ours if name in theirs]
    if both:
        return both
    if len(ours) == len(theirs) == 1:
        return [(ours[0], theirs[0])]
    message = f"{first.id} ({', '.join(ours)}) and {second.id} ({', '.join(theirs)}) have no environment in common"
    raise ConfigurationError(message)


def _comparisons(first: Kept, second: Kept, pair: tuple[str, str], across_hosts: bool) -> list[Comparison]:
    ours, theirs = first.measured(pair[0]), second.measured(pair[1])
    names = [name for name in ours if name in theirs]
    if not names:
        message = f"{first.id} and {second.id} have no notebook in common: {', '.join(ours)}; {', '.join(theirs)}"
        raise ConfigurationError(message)
    return [
        compare_results(
            ours[name],
            theirs[name],
            targets=kpis_in_force().keys(),
            names=(first.id, second.id),
            samples=(first.response_ms(pair[0], name), second.response_ms(pair[1], name)),
            across_hosts=across_hosts,
        )
        for name in names
    ]


def _histories(now: Kept, earlier: list[Kept], environment: str) -> list[History]:
    """Hold each result against those of runs that measured in the same order, at once or in turns; count the others."""
    alike = [kept for kept in earlier if not _of_order(now, kept)]
    others = [kept for kept in earlier if _of_order(now, kept)]
    histories = []
    for name, result in now.measured(environment).items():
        found = against_history(result, _earlier(alike, environment, name), targets=kpis_in_force().keys(), name=now.id)
        apart = [one for _, one in _earlier(others, environment, name) if one.started < result.started]
        histories.append(replace(found, others=found.others + len(apart)))
    return histories


def _earlier(runs: list[Kept], environment: str, notebook: str) -> list[tuple[str, Result]]:
    """Return what a notebook found in an environment, in each run in which it found something."""
    found = [(kept.id, kept.found(environment).get(notebook)) for kept in runs]
    return [(run_id, result) for run_id, result in found if result]
