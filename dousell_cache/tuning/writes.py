"""Writes in the traces of others: fills that follow misses, or changes of the data. Pure.

Neither a CSV file nor ``MONITOR`` tells: a write that follows a read may be the fill after a miss, or a change of what
that read found, and few record which of the two it was. So it is asked for, of both alike. What is only ever stored
where nothing was (``add``, ``SET … NX``) changes nothing that anybody could have read: that is a fill in any case.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Literal, get_args

Writes = Literal["fills", "changes"]
WRITES = get_args(Writes)

_NAMED = 8


def notes_on_writes(path: str, writes: Writes | None, unclear: Counter[str], fills: Counter[str]) -> Iterator[str]:
    """Yield what the writes of a trace were taken for, and how many.

    Args:
        path: of the file.
        writes: what those are that may be either; None: nobody said.
        unclear: how many there are of those, by the command.
        fills: how many can be nothing else.

    Raises:
        ValueError: some may be either, and nobody said.
    """
    if unclear and writes is None:
        message = (
            f"{path} has writes ({named(unclear)}) that may be the fills that follow misses, or changes of the data: "
            'say which, writes="fills" or writes="changes" (--writes)'
        )
        raise ValueError(message)
    changes = unclear if writes == "changes" else Counter[str]()
    left_out = fills if changes else unclear + fills
    if left_out:
        yield f"writes taken for the fills that follow misses, which nobody asked for, were left out: {named(left_out)}"
    if changes:
        yield f"writes taken for changes of the data: {named(changes)}"


def named(counts: Counter[str]) -> str:
    """Return how many there are of each, the most frequent first."""
    return ", ".join(f"{count:,} {name}" for name, count in counts.most_common(_NAMED))
