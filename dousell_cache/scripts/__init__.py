"""What must be atomic: small Lua scripts, a file each. They take names by KEYS and all else by ARGV, and parse no JSON.

Each file begins with its contract. A script's keys share one hash slot.
"""

from dataclasses import dataclass
from hashlib import sha1
from pkgutil import get_data

__all__ = [
    "ACQUIRE",
    "ADD_FIGURES",
    "EXTEND",
    "INVALIDATE_TAGS",
    "LEASE",
    "READ",
    "RELEASE",
    "RENEW",
    "SET",
    "SETTLE",
    "SOFTEN",
    "VERSIONS",
    "Script",
]


@dataclass(frozen=True, slots=True)
class Script:
    """A script's text, and the digest that a server knows it by once it has run there."""

    name: str
    text: str
    sha: str


def _script(name: str, *parts: str) -> Script:
    """Read a script, after the parts that it shares with others."""
    # Not importlib.resources, which imports tempfile, zipfile and more: a tenth of what importing the core takes.
    text = b"".join(get_data(__package__, f"{part}.lua") or b"" for part in (*parts, name)).decode()
    return Script(name, text, sha1(text.encode(), usedforsecurity=False).hexdigest())


READ = _script("read")
LEASE = _script("lease")
SETTLE = _script("settle")
RENEW = _script("renew")
SET = _script("set")
VERSIONS = _script("versions")
INVALIDATE_TAGS = _script("invalidate_tags")
SOFTEN = _script("soften")
ACQUIRE = _script("acquire", "mint", "pass_on")
EXTEND = _script("extend", "mint")
RELEASE = _script("release", "pass_on")
ADD_FIGURES = _script("add_figures")
