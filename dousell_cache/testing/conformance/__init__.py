"""The transport conformance suite: what a transport must do for everything above it to keep its promises.

Each check is a small function that takes an open transport, blocking or asyncio, and a key prefix of its own; it raises
``AssertionError`` where the transport does otherwise. The checks touch only keys under that prefix, which expire within
a minute, so they may run against a server that is in use. What a transport cannot do by its nature, it says by an
attribute (``can_block``, ``can_carry_bytes``), and :func:`run` lists it.

    from dousell_cache.testing import conformance
    report = run_blocking(conformance.run(transport))      # or: await conformance.run(transport)
    assert not report.failed, report
"""

from dataclasses import dataclass

from ...errors import CacheError
from . import commands, locks, manners, replies
from .check import Check, Transport

__all__ = ["Check", "Report", "checks", "run"]


@dataclass(frozen=True, slots=True)
class Report:
    """What a run of the suite found, by the names of the checks.

    Args:
        passed: what the transport does as it must.
        failed: what it does otherwise, and how.
        absent: what it says it cannot do: the claims that are therefore not kept.
    """

    passed: tuple[str, ...]
    failed: dict[str, str]
    absent: dict[str, str]


def checks() -> tuple[Check, ...]:
    """Return every check, in the order of a run: the one that closes the transport is the last."""
    return (*replies.CHECKS, *commands.CHECKS, *locks.CHECKS, *manners.CHECKS)


async def run(transport: Transport) -> Report:
    """Run every check that concerns a transport, then leave it closed.

    Args:
        transport: an open transport of either face; over a blocking one use ``run_blocking(run(transport))``.
    """
    passed, failed, absent = list[str](), dict[str, str](), dict[str, str]()
    for check in checks():
        if not check.concerns(transport):
            absent[check.name] = check.claim
            continue
        try:
            await check.run(transport)
        except (AssertionError, CacheError) as error:
            failed[check.name] = f"{type(error).__name__}: {error}"
        else:
            passed.append(check.name)
    return Report(tuple(passed), failed, absent)
