"""The user on the page about rights may do all that is needed, and nothing that is not, on Valkey and on Redis."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import redis

from dousell_cache.check import STEPS, Check
from dousell_cache.transport.connect import locate

from ..locks.test_secrecy import COMMANDS as FOR_LOCKS
from ..monitors import watching
from ..servers_redis import Server, redis_server, running
from .pages import DOCS, snippets, table
from .test_prices import PRICES, Till

if TYPE_CHECKING:
    from ..conftest import FreeValkey, WaitUntil

PAGE = DOCS / "how-to" / "tls-and-acl.md"
FLUSHES = "miss, after the server lost its scripts"  # which only an administrator can make it lose
NEVER_REFUSED = {"auth", "hello"}  # whoever is not let in yet must be able to say these
ADMINISTRATORS = {"acl|setuser", "acl|log", "monitor", "config|resetstat", "info", "client|setinfo", "echo"}


def rights() -> list[str]:
    """Return the page's rules for a user, figures included, the namespace replaced by that of the tests."""
    (piece,) = snippets(PAGE, "text acl")
    words = piece.code.replace("site:*", "till-*").split()
    return [*words[3:], *added("figures")]


def added(*whats: str) -> list[str]:
    """Return the rules that the page adds for something, by the beginning of its row."""
    rows = [row for row in table(PAGE, "The least rights", 1) if row[0].startswith(whats)]
    assert len(rows) == len(whats)
    words = [word.strip("`") for row in rows for word in row[1].split(", ")]
    return [word if word.startswith("~") else f"+{word}" for word in words]


def allowed() -> set[str]:
    """Return the commands that the rules allow."""
    return {word[1:] for word in rights() if word.startswith("+")}


def as_user(url: str) -> str:
    """Make the user on a server, and return the URL by which it logs in."""
    parts = urlsplit(url)
    with redis.Redis.from_url(url) as administrator:
        administrator.execute_command("ACL", "SETUSER", "site", "reset", *rights())
        administrator.config_resetstat()
    return parts._replace(netloc=f"site:a-long-password@{parts.netloc}").geturl()


def ran(url: str) -> set[str]:
    """Return the commands that a server says it ran, those of scripts included."""
    with redis.Redis.from_url(url) as administrator:
        return {name.removeprefix("cmdstat_") for name in administrator.info("commandstats")}


def refused(url: str) -> list[str]:
    """Return what the server refused for want of rights."""
    with redis.Redis.from_url(url, decode_responses=True) as administrator:
        return [f"{entry['reason']}: {entry['object']}" for entry in administrator.acl_log()]


def operate(url: str, wait_until: "WaitUntil") -> set[str]:
    """Run every operation of the price table as the user; return what the server ran for it."""
    mine = as_user(url)
    with watching(url) as monitor:
        for operation, price in PRICES.items():
            if operation == FLUSHES:
                continue
            till = Till(mine, monitor, wait_until)
            price(till)
            till.cache.close()
            till.other.close()
    return ran(url) - NEVER_REFUSED - ADMINISTRATORS


def test_the_rights_suffice_and_none_is_idle(free_valkey: "FreeValkey", wait_until: "WaitUntil") -> None:
    """On Valkey everything works with these rights; each is used, or is one that locks cannot do without."""
    used = operate(free_valkey.url, wait_until)
    assert refused(free_valkey.url) == []
    assert used | set(FOR_LOCKS) == allowed()


def test_they_suffice_on_redis_7(wait_until: "WaitUntil") -> None:
    """On Redis 7 likewise."""
    with running(lambda base: Server(redis_server(), base)) as server:
        used = operate(server.url, wait_until)
        assert refused(server.url) == []
        assert used | set(FOR_LOCKS) == allowed()


def test_check_passes_with_what_the_page_adds(free_valkey: "FreeValkey") -> None:
    """With its own keys and the audit's commands added, the connection test passes and the audit may ask everything."""
    mine = as_user(free_valkey.url)
    with redis.Redis.from_url(free_valkey.url) as administrator:
        administrator.execute_command("ACL", "SETUSER", "site", *added("`dousell-cache check`", "its audit"))
    test = Check(locate(mine))
    steps, found = list(test.steps()), test.audit()
    test.close()
    assert [step.name for step in steps if not step.passed] == []
    assert len(steps) == STEPS
    assert "permissions" not in [finding.name for finding in found.findings]
    assert refused(free_valkey.url) == []
