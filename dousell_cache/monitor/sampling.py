"""The memory of key families, and keys that stand out, from a bounded sample: a SCAN, for who asks for it by name."""

from collections import Counter
from typing import NamedTuple

from ..errors import CacheError, CacheUnavailable, CommandRefused
from ..inquiry import shown
from ..transport.port import Port, Reply
from ..transport.replies import array, bulk, bulks
from .figures import FamilyMemory, KeyFigure
from .info import key_family

_AT_ONCE = 100
_STAND_OUT = 10
_SAMPLE = "the sample of keys"


class _Key(NamedTuple):
    name: str
    family: str
    bytes: int
    frequency: int | None


class KeySample:
    """Keys that were looked at.

    Args:
        namespace: what stands before the application's keys.
    """

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._keys: list[_Key] = []
        self.refused: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._keys)

    def add(self, name: str, size: int, frequency: int | None) -> None:
        """Add a key."""
        self._keys.append(_Key(name, key_family(name, self._namespace), size, frequency))

    def families(self, total: float) -> tuple[FamilyMemory, ...]:
        """Return the memory of each family, the greatest first.

        Args:
            total: how many keys there are on the server, of which these are some.
        """
        scale = max(1.0, total / self.count) if self.count else 1.0
        counts = Counter(key.family for key in self._keys)
        sizes = {name: [key.bytes for key in self._keys if key.family == name] for name in counts}
        rows = [
            FamilyMemory(name, len(found), len(found) * scale, sum(found) * scale, max(found))
            for name, found in sizes.items()
        ]
        return tuple(sorted(rows, key=lambda row: -row.bytes))

    def big(self) -> tuple[KeyFigure, ...]:
        """Return the largest keys, the largest first."""
        found = sorted(self._keys, key=lambda key: -key.bytes)[:_STAND_OUT]
        return tuple(KeyFigure(key.name, key.bytes, key.frequency) for key in found)

    def hot(self) -> tuple[KeyFigure, ...]:
        """Return the most used keys, none where the server does not count uses."""
        counted = [key for key in self._keys if key.frequency is not None]
        found = sorted(counted, key=lambda key: -(key.frequency or 0))[:_STAND_OUT]
        return tuple(KeyFigure(key.name, key.bytes, key.frequency) for key in found)


async def sampled(port: Port, keys: KeySample, most: int, *, counts_uses: bool) -> None:
    """Look at so many keys of a node: a SCAN for each hundred, and one or two commands for each.

    SCAN goes by a hash of the names, so that the first of them are as good as any.
    """
    cursor: Reply = b"0"
    seen = 0
    try:
        while True:
            cursor, names = array(await port.send("SCAN", bulk(cursor) or b"0", "COUNT", _AT_ONCE), 2)
            for name in bulks(names)[: most - seen]:
                size = await port.send("MEMORY", "USAGE", name or b"")
                uses = await port.send("OBJECT", "FREQ", name or b"") if counts_uses else None
                if isinstance(size, int):  # else it is gone
                    keys.add(shown(name or b""), size, uses if isinstance(uses, int) else None)
                seen += 1
            if seen >= most or cursor == b"0":
                return
    except CacheError as error:
        if not is_refusal(error):
            raise
        keys.refused = (_SAMPLE,)


def is_refusal(error: CacheError) -> bool:
    """Tell whether a server that is well said no: it knows no such command, or this user may not."""
    return isinstance(error, CommandRefused) or (isinstance(error, CacheUnavailable) and error.answered)
