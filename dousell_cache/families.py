"""Key families as labels: so many and no more, since each is a time series, or fields on a server."""

import threading

from .events import family

NO_FAMILY = "(no family)"
OTHERS = "(other)"


class Families:
    """Name key families as labels, so many and no more: each label is a time series for as long as the process lives.

    Args:
        most: how many families get a name of their own, first come, first served; the rest share ``(other)``.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._names = set[str]()
        self._lock = threading.Lock()

    def label(self, key: str) -> str:
        """Return the label of a key's family."""
        name = family(key) if ":" in key else NO_FAMILY  # a whole key may be personal, and there may be many
        with self._lock:
            if name not in self._names and len(self._names) >= self._most:
                return OTHERS
            self._names.add(name)
            return name
