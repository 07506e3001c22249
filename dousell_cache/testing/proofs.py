"""What is proved of the cache's own flows, and the controls: each guard switched off in turn must be found out."""

from collections.abc import Mapping
from typing import Any

from .. import entries
from ..debts import Withdrawal
from ..policy import resolved
from ..scripts import INVALIDATE_TAGS, LEASE, READ, RENEW, SET, SETTLE, SOFTEN, VERSIONS
from .checkers import FreshAfterInvalidation, MostLoads, NobodyStuck, OwnChanges
from .explorer import NOTHING_OFF
from .guards import (
    COMPARES,
    DEBT,
    FLIGHTS,
    JOINING,
    LEASE_WITHDRAWN,
    LOOKS_AGAIN,
    MISSING_MOVED,
    MOVED,
    NEW_WORD,
    ONE_LEASE,
    RENEWAL,
    SET_LEASE,
    SOFT_LEASE,
    STAND_IN,
    WRITE_CHECK,
)
from .production import (
    KEY,
    TAG,
    down,
    getter,
    putter,
    reader,
    writer,
    writer_and_reader,
)
from .proving import Proof, run_again
from .scenario import NO_FAULTS, Faults, Scenario
from .story import Story

_SCRIPTS = {
    script.text: f"{script.name}.lua" for script in (READ, LEASE, SETTLE, RENEW, SET, VERSIONS, INVALIDATE_TAGS, SOFTEN)
}
_FRESH = (FreshAfterInvalidation(), NobodyStuck())
_KEYS = Withdrawal(keys=(KEY,))
_TAGS = Withdrawal(tags=(TAG,))
_SOFT = Withdrawal(keys=(KEY,), soft=True)
_SOFT_TAGS = Withdrawal(tags=(TAG,), soft=True)
_GRACE = resolved(60, 60)
_BEHIND = resolved(60, 60, background=True)
_LOST_REPLY = Faults(1, expiries=0, evictions=0, crashes=0, refused=0)
_TWO_LOST = _LOST_REPLY._replace(total=2, lost=2)
_VERSION = f"{{tag:{TAG}}}:version"


def replay(name: str, schedule: str, control: str = NOTHING_OFF.name) -> Story:
    """Run one schedule of a proof again, on a server of its own.

    Args:
        name: the proof's.
        schedule: as a story shows it.
        control: the guard that was switched off.
    """
    return run_again(PROOFS[name], schedule, control)


def _scenario(name: str, *actors: Any, **options: Any) -> Scenario:
    line = f"from dousell_cache.testing.proofs import replay; print(replay({name!r}, {{schedule!r}}, {{control!r}}))"
    options = {"checkers": _FRESH, "expires": lambda key: not key.startswith(f"{{{KEY}}}:wake"), **options}
    options.setdefault("evicts", options["expires"])
    return Scenario(name, actors, scripts=_SCRIPTS, again=f'python -c "{line}"', **options)


def _entry(value: int, left_ms: int, **parts: Any) -> tuple[str | bytes | int, ...]:
    stored = entries.encode(entries.Entry(value, 1.0, 60_000, id="first", **parts))
    return ("SET", KEY, stored, "PX", left_ms)


_PROOFS = (
    Proof(
        _scenario("keys", reader("reader-1"), writer(_KEYS), reader("reader-2")),
        (WRITE_CHECK, LEASE_WITHDRAWN),
    ),
    Proof(
        _scenario("woken", reader("reader-1"), writer(_KEYS), reader("reader-2"), can_block=True),
        (WRITE_CHECK, LEASE_WITHDRAWN),
    ),
    Proof(_scenario("get", reader("reader-1"), writer(_KEYS), getter("reader-2")), (WRITE_CHECK,)),
    Proof(
        _scenario(
            "one load", reader("reader-1"), reader("reader-2"), checkers=(MostLoads(), NobodyStuck()), faults=NO_FAULTS
        ),
        (ONE_LEASE, LOOKS_AGAIN),
    ),
    Proof(
        _scenario(
            "killed leader",
            *(reader("reader-1"), reader("reader-2"), reader("reader-3")),
            checkers=(MostLoads(2), NobodyStuck()),
            faults=Faults(1, expiries=0, evictions=0, lost=0, refused=0),
        ),
        (ONE_LEASE,),
    ),
    Proof(
        _scenario("tags", reader("reader-1", tags=(TAG,)), writer(_TAGS), reader("reader-2", tags=(TAG,))),
        (COMPARES,),
    ),
    Proof(
        _scenario(
            "evicted version",
            *(writer(_TAGS), reader("reader-1", tags=(TAG,)), reader("reader-2", tags=(TAG,))),
            setup=(_entry(0, 60_000, tags={TAG: "1.1"}), ("SET", _VERSION, "1.1", "PX", 86_460_000)),
        ),
        (
            COMPARES,
            MISSING_MOVED,
            NEW_WORD,
        ),
    ),
    Proof(
        _scenario("soft", reader("reader-1"), writer(_SOFT), reader("reader-2")),
        (
            WRITE_CHECK,
            SOFT_LEASE,
        ),
    ),
    Proof(
        _scenario(
            "soft tags",
            reader("reader-1", tags=(TAG,)),
            writer(_SOFT_TAGS),
            reader("reader-2", tags=(TAG,)),
        ),
        (COMPARES,),
    ),
    Proof(
        _scenario(
            "stand-in",
            *(writer(_KEYS), reader("reader-1", load=down), reader("reader-2", load=down)),
            setup=(_entry(0, 60_000), ("RENAME", KEY, f"{{{KEY}}}:old")),
        ),
        (STAND_IN,),
    ),
    Proof(
        _scenario("set", reader("reader-1"), putter(), reader("reader-2")),
        (SET_LEASE,),
    ),
    Proof(
        _scenario(
            "grace",
            *(reader("reader-1", _GRACE), writer(_KEYS), reader("reader-2", _GRACE)),
            setup=(_entry(0, 120_000, grace_ms=60_000),),
            ages=lambda key, _: 30_000 if key == KEY else None,
        ),
        (WRITE_CHECK, LEASE_WITHDRAWN),
    ),
    Proof(
        _scenario(
            "background refresh",
            *(reader("reader-1", _BEHIND), writer(_KEYS), reader("reader-2", _BEHIND)),
            setup=(_entry(0, 30_000, grace_ms=60_000),),
        ),
        (WRITE_CHECK, LEASE_WITHDRAWN),
    ),
    Proof(
        _scenario(
            "renewal",
            *(reader("reader-1", renewing=True), writer(_KEYS), reader("reader-2")),
            faults=Faults(1, evictions=0, crashes=0, lost=0, refused=0),
        ),
        (RENEWAL,),
    ),
    Proof(
        _scenario(
            "one process",
            *(reader("reader-1", process="web"), reader("reader-2", process="web"), writer(_KEYS)),
            faults=NO_FAULTS,
        ),
        (JOINING, WRITE_CHECK),
    ),
    Proof(
        _scenario(
            "one process, tags",
            *(
                reader("reader-1", tags=(TAG,), process="web"),
                reader("reader-2", tags=(TAG,), process="web"),
                writer(_TAGS),
            ),
            faults=NO_FAULTS,
        ),
        (JOINING, MOVED),
    ),
    Proof(
        _scenario(
            "one process, cache down",
            *(reader("reader-1", process="web"), writer_and_reader(_KEYS, "web")),
            checkers=(OwnChanges(), NobodyStuck()),
            faults=_TWO_LOST,  # one for each read: who is served takes nothing from a load that passes the cache by
        ),
        (FLIGHTS,),
    ),
    Proof(
        _scenario(
            "undelivered",
            *(writer_and_reader(_KEYS), reader("reader-1")),
            checkers=(OwnChanges(), *_FRESH),
        ),
        (DEBT,),
    ),
)
PROOFS: Mapping[str, Proof] = {proof.scenario.name: proof for proof in _PROOFS}
"""Every proof, by the name of its scenario."""
