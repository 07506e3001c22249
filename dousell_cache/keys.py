"""Names on the server: a value's own, plain and readable, and those of what stands beside it. Pure.

What stands beside a value shares its hash slot, so that one script may touch both in a Cluster.
"""

import re
from typing import NamedTuple


class LockNames(NamedTuple):
    """What a lock is called on the server, and all that stands beside it.

    Args:
        lock: holds the token of the holder.
        fence: counts the grants.
        queue: lists the tokens of those who wait.
        turn: holds the token of the one who is next, while the lock is free.
        bells: begins the name of every waiter's bell; its token follows.
        gone: says that the token takes nothing more, whatever of it may yet arrive.
    """

    lock: str
    fence: str
    queue: str
    turn: str
    bells: str
    gone: str


class Names:
    """Name things under a namespace.

    Args:
        namespace: put before every key and tag, as it is.
    """

    __slots__ = ("namespace",)

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def value(self, key: str) -> str:
        """Name a key's entry."""
        return self.namespace + key

    def lease(self, key: str) -> str:
        """Name the lease of a key: its one load under way."""
        return beside(self.namespace + key, "lease")

    def old(self, key: str) -> str:
        """Name a key's softly withdrawn entry."""
        return beside(self.namespace + key, "old")

    def waiting(self, key: str) -> str:
        """Name the sign that somebody waits for a load of a key."""
        return beside(self.namespace + key, "waiting")

    def wake(self, key: str, token: str) -> str:
        """Name the bell that rings when the load with this token is over."""
        return beside(self.namespace + key, f"wake:{token}")

    def version(self, tag: str) -> str:
        """Name a tag's version."""
        return beside(f"{self.namespace}tag:{tag}", "version")

    def figures(self, hour: str) -> str:
        """Name the figures of an hour, such as ``2026-11-28T13``, UTC."""
        return beside(self.namespace + "figures", hour)

    def batch(self, process: str) -> str:
        """Name the number of the last batch of figures that came from a process."""
        return beside(self.namespace + "figures", f"from:{process}")

    def lock(self, name: str, token: str) -> LockNames:
        """Name a lock and what stands beside it, for one acquisition."""
        stem = beside(self.namespace + name, "")
        return LockNames(
            stem + "lock", stem + "fence", stem + "queue", stem + "turn", stem + "bell:", f"{stem}gone:{token}"
        )

    def tags(self, name: str) -> set[str]:
        """Return the tags whose version a name on the server may be."""
        owner, is_version = name.removesuffix(":version"), name.endswith(":version")
        owners = {owner, owner[1:-1] if owner[:1] == "{" and owner[-1:] == "}" else owner}
        start = f"{self.namespace}tag:"
        return {tagged.removeprefix(start) for tagged in owners if is_version and tagged.startswith(start)}

    def may_be_no_values(self, name: str) -> bool:
        """Tell whether a name may be a lock's or of figures; under a user's own hash tag a value's may look alike."""
        return _NO_VALUES.search(name) is not None

    def keys(self, name: str, prefix: str) -> set[str]:
        """Return the keys with a prefix that a name on the server may belong to, as their value or beside it."""
        owners = {name}
        for word in (":lease", ":old"):
            if name.endswith(word):
                owner = name.removesuffix(word)
                owners.add(owner[1:-1] if owner[:1] == "{" and owner[-1:] == "}" else owner)
        start = self.namespace + prefix
        return {owner.removeprefix(self.namespace) for owner in owners if owner.startswith(start)}


_NO_VALUES = re.compile(
    r":(lock|fence|queue|turn|bell:[^:]*|gone:[^:]*|figures:\d{4}-\d\d-\d\dT\d\d|figures:from:[^:]*)$"
)


def beside(name: str, word: str) -> str:
    """Return a name in the same hash slot as another: a hash tag the other has is kept, else it becomes one."""
    return f"{name}:{word}" if hash_tag(name) else f"{{{name}}}:{word}"


def hash_tag(name: str) -> str:
    """Return what a Cluster hashes of a name instead of the whole of it, if anything: what its first braces hold."""
    _, opened, rest = name.partition("{")
    tag, closed, _ = rest.partition("}")
    return tag if opened and closed else ""
