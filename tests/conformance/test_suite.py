"""The suite itself: a transport that does otherwise is found out, by the check that claims it."""

import pytest

from dousell_cache import CacheUnavailable
from dousell_cache.errors import CommandRefused
from dousell_cache.runner import run_blocking
from dousell_cache.testing import conformance
from dousell_cache.transport.port import Argument, Reply
from dousell_cache.transport.tcp import BlockingTcp


class Stripping(BlockingTcp):
    """Takes line ends off, as if they were the protocol's."""

    async def send(self, *command: Argument) -> Reply:
        """Send one command and return less than its reply."""
        reply = await super().send(*command)
        return reply.strip() if isinstance(reply, bytes) else reply


class Swallowing(BlockingTcp):
    """Takes a refusal for an outage."""

    async def send(self, *command: Argument) -> Reply:
        """Send one command and call every error the network's."""
        try:
            return await super().send(*command)
        except CommandRefused as refused:
            raise CacheUnavailable(str(refused)) from refused


class Guessing(BlockingTcp):
    """Tells a slot of its own making."""

    def slot(self, key: str) -> int:
        """Return the key's length."""
        return len(key)


class Lasting(BlockingTcp):
    """Goes on after it was closed."""

    def close(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize(
    ("kind", "caught"),
    [
        (Stripping, "a_value_that_looks_like_a_reply"),
        (Swallowing, "refusals"),
        (Guessing, "slots"),
        (Lasting, "a_closed_transport_refuses"),
    ],
)
def test_what_does_otherwise_is_found_out(kind: type[BlockingTcp], caught: str, valkey_url: str) -> None:
    """Each of these has one flaw, and the report says which claim it breaks."""
    transport = kind(valkey_url, patience=20)
    report = run_blocking(conformance.run(transport))
    BlockingTcp.close(transport)
    assert caught in report.failed
    assert "replies" in report.passed


def test_each_check_claims_something() -> None:
    """Every check has a name of its own and a claim in one sentence."""
    checks = conformance.checks()
    assert len({check.name for check in checks}) == len(checks)
    assert all(check.claim.endswith(".") for check in checks)
