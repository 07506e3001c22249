"""What the Upstash emulator refuses though Valkey would do it, and in whose words."""

import pytest

from dousell_cache.local.resp import ReplyError
from dousell_cache.local.upstash_refusals import in_service_words, refusal_of

RESTRICTED = 'ERR Command "{}" is not allowed in REST or it has a special context path'
UNAVAILABLE = (
    "ERR Command is not available: '{}'. See https://upstash.com/docs/redis/overall/rediscompatibility for details"
)


def refused(command: str) -> str | None:
    """Return the text with which a command is refused."""
    refusal = refusal_of(command.encode().split())
    return None if refusal is None else str(refusal)


@pytest.mark.parametrize(
    "command",
    [
        "SUBSCRIBE c",
        "monitor",
        "MULTI",
        "WATCH k",
        "CLIENT ID",
        "SELECT 1",
        "BLPOP k 0",
        "XREAD COUNT 1 block 0 STREAMS k $",
        "XREADGROUP GROUP g c BLOCK 0 STREAMS k >",
    ],
)
def test_what_needs_a_connection_of_its_own_is_restricted(command: str) -> None:
    """Sessions and waiting mean nothing over REST."""
    assert refused(command) == RESTRICTED.format(command.split(maxsplit=1)[0].upper())


@pytest.mark.parametrize(
    "command", ["DELIFEQ k v", "debug sleep 0", "SHUTDOWN", "ROLE", "CONFIG SET maxmemory 1", "CONFIG"]
)
def test_what_the_service_does_not_have_is_unavailable(command: str) -> None:
    """A program that leans on Valkey's own commands fails here as it would there."""
    assert refused(command) == UNAVAILABLE.format(command.split(maxsplit=1)[0].upper())


@pytest.mark.parametrize(
    "command",
    [
        "GET k",
        "EVALSHA 0 0",
        "PUBLISH c m",
        "config get maxmemory",
        "NOPE",
        "XREAD STREAMS BLOCK 0",
        "XREADGROUP GROUP BLOCK BLOCK STREAMS k >",
        "XREADGROUP",
    ],
)
def test_everything_else_is_left_to_valkey(command: str) -> None:
    """The word BLOCK counts as an option only, not as the name of a key, a group or a consumer."""
    assert refused(command) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ERR unknown command 'nope', with args beginning with: 'a' ", UNAVAILABLE.format("NOPE")),
        ("ERR unknown command '', with args beginning with: ", UNAVAILABLE.format("")),
        ("NOSCRIPT No matching script.", "NOSCRIPT No matching script."),
        ("MINE ERR unknown command 'x'", "MINE ERR unknown command 'x'"),
    ],
)
def test_only_an_unknown_command_is_put_in_other_words(text: str, words: str) -> None:
    """Every other error text is Valkey's, unchanged."""
    assert in_service_words(ReplyError(text)) == words
