"""How everything is measured: a server of our own, a process for each contender, rounds that take turns.

A slow minute of the machine hits all contenders of a round alike, so it is rounds that are compared: a ratio is to the
base of the same round, a figure is the median of its rounds, its interval their order statistics.
"""

import select
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Generic, Self, TypeVar

import msgspec
import numpy as np

from dousell_cache.local.process import free_ports, stop_all
from dousell_cache.local.valkey import server_path, start, wait_ready
from dousell_cache.measure.stats import Interval, percentile

from .contenders import Contender
from .machine import Noise, Ticks
from .tasks import Failed, Ready

ROOT = Path(__file__).parents[1]
PEERS_PYTHON = ROOT / ".venv-bench/bin/python"
READS, LOCKS = "benchmarks.child", "benchmarks.locks.child"
FEWEST_ROUNDS = 6  # fewer have no 95 % interval of a median
_ANSWER_SECONDS = 60.0

A = TypeVar("A")


class BenchmarkFailed(Exception):
    """A contender could not be measured."""


@dataclass(frozen=True)
class Server:
    """A Valkey that nobody else uses: its URL and its process."""

    url: str
    pid: int


@contextmanager
def server() -> Iterator[Server]:
    """Start a Valkey with nothing in it, and stop it in the end."""
    with TemporaryDirectory(prefix="dousell-cache-bench-") as folder:
        (port,) = free_ports(1)
        child = start(server_path(), Path(folder), port)
        try:
            wait_ready(child, Path(folder))
            yield Server(f"redis://127.0.0.1:{port}/0", child.pid)
        finally:
            stop_all([child])


class Process:
    """A contender in a process of its own, which waits on a pipe and does nothing until it is told to."""

    def __init__(self, contender: Contender, url: str, program: str = READS) -> None:
        self.contender = contender
        command = [str(PEERS_PYTHON), "-m", program, contender.place, url]
        # In a session of its own: Ctrl-C is for the harness, which then ends it; so does the end of its pipe.
        self._popen = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, start_new_session=True
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    def tell(self, task: msgspec.Struct) -> None:
        """Give it a task."""
        assert self._popen.stdin  # noqa: S101 - for the type checker: it was asked for
        self._popen.stdin.write(msgspec.json.encode(task) + b"\n")

    def hear(self, kind: type[A]) -> A:
        """Return its answer.

        Raises:
            BenchmarkFailed: it ended, took too long, or could not do its task.
        """
        assert self._popen.stdout  # noqa: S101 - as above
        ready, _, _ = select.select([self._popen.stdout], [], [], _ANSWER_SECONDS)
        line = self._popen.stdout.readline() if ready else b""
        if not line:
            why = "it ended; its last words are above" if ready else f"none within {_ANSWER_SECONDS:g} s"
            raise BenchmarkFailed(f"{self.contender.place} gave no answer: {why}")
        either: Any = kind | Failed
        answer: A | Failed = msgspec.json.decode(line, type=either)
        if isinstance(answer, Failed):
            raise BenchmarkFailed(f"{self.contender.place} failed: {answer.reason}")
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._popen.kill()
        self._popen.communicate()


@contextmanager
def processes(
    contenders: Sequence[Contender], url: str, program: str = READS
) -> Iterator[tuple[list[Process], dict[str, str]]]:
    """Start a process for each contender named (four if named four times); also return the versions of all packages."""
    with ExitStack() as stack:
        started = [stack.enter_context(Process(contender, url, program)) for contender in contenders]
        versions = [process.hear(Ready).versions for process in started]
        yield started, versions[0]


@dataclass(frozen=True)
class Round(Generic[A]):
    """What each contender did in one round, and how calm the machine was."""

    answers: dict[Contender, A]
    noise: Noise


def run_rounds(
    visit: Callable[[Contender, int], A], contenders: Sequence[Contender], count: int, pids: Sequence[int]
) -> list[Round[A]]:
    """Let all contenders have their turn in every round, in an order drawn for each.

    Args:
        visit: measures one contender in the round of that number.
        contenders: whom.
        count: how many rounds.
        pids: the processes whose work is the benchmark's own.
    """
    rounds = []
    for number in range(count):
        order = Random(number).sample(contenders, len(contenders))  # noqa: S311 - drawn, not secret
        before = Ticks.now(pids)
        answers = {contender: visit(contender, number) for contender in order}
        rounds.append(Round(answers, before.until(Ticks.now(pids))))
        sys.stderr.write(".")
        sys.stderr.flush()
    return rounds


def counted(rounds: Sequence[Round[A]]) -> Sequence[Round[A]]:
    """Return the rounds that count: the undisturbed ones if they are enough for an interval, else all."""
    calm = [one for one in rounds if not one.noise.disturbed]
    return calm if len(calm) >= FEWEST_ROUNDS else rounds


def median(rounds: Sequence[Round[A]], figure: Callable[[dict[Contender, A]], float]) -> Interval:
    """Return the median over the rounds that count of a figure of one round."""
    return percentile(np.array([figure(one.answers) for one in counted(rounds)]), 50)


class Calm(msgspec.Struct, frozen=True):
    """How calm the machine was during some rounds: how many there were, how many counted, and what others took."""

    what: str
    rounds: int
    disturbed: int
    counted: int
    stolen: float
    others: float


def calm(what: str, rounds: Sequence[Round[A]]) -> Calm:
    """Sum up the noise of some rounds; the shares are the worst of those that counted."""
    noises = [one.noise for one in counted(rounds)]
    return Calm(
        what,
        rounds=len(rounds),
        disturbed=sum(one.noise.disturbed for one in rounds),
        counted=len(noises),
        stolen=max(noise.stolen for noise in noises),
        others=max(noise.others for noise in noises),
    )
