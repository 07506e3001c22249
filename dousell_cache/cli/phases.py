"""What a command that takes minutes says meanwhile: a line rewritten on a terminal, elsewhere each phase once."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def teller(*, quiet: bool) -> Callable[[str], None]:
    """Return what prints a phase on stderr when it is first heard of: for whoever reads a log, and sees no bar.

    Args:
        quiet: print nothing, as on a terminal, where something else shows it.
    """
    told = set[str]()

    def tell(phase: str) -> None:
        if not quiet and phase not in told and not sys.stderr.isatty():
            told.add(phase)
            print(f"dousell-cache: {phase} …", file=sys.stderr, flush=True)

    return tell


@contextmanager
def one_line(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Keep one line on a terminal up to date; elsewhere say each phase once.

    Args:
        quiet: say nothing where there is no terminal.

    Yields:
        What takes note of the words; those before a colon are the phase.
    """
    if not sys.stderr.isatty():
        tell = teller(quiet=quiet)
        yield lambda words: tell(words.partition(":")[0])
        return
    try:
        yield lambda words: print(f"\r\033[K{words}", end="", file=sys.stderr, flush=True)
    finally:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
