"""Which commands Upstash's REST API does not take though Valkey has them, and the words in which it says so.

A program that leans on such a command must fail on the emulator as it would on the service. Sources, by the letter in
the comments; where none of them says anything, a comment says what was assumed.
[C] https://upstash.com/docs/redis/commands, the commands that are offered
[D] https://upstash.com/docs/redis/features/restapi, "REST - Redis API Compatibility"
[W] texts that the service was seen to answer, as recorded in public test suites
"""

import itertools
import re

from .resp import Command, ReplyError

__all__ = ["in_service_words", "refusal_of"]

# Meaningless without a connection of one's own, or blocking [D]; WAIT and WAITAOF are assumed to belong here too.
_NEEDS_A_CONNECTION = frozenset(
    b"""
    AUTH CLIENT HELLO QUIT RESET SELECT MULTI EXEC DISCARD WATCH UNWATCH MONITOR
    SUBSCRIBE PSUBSCRIBE SSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE SUNSUBSCRIBE
    BLMOVE BLMPOP BLPOP BRPOP BRPOPLPUSH BZMPOP BZPOPMAX BZPOPMIN WAIT WAITAOF
    """.split()
)
# Valkey has them, the service does not [C]. Of CONFIG it has GET, and a SET of one harmless setting.
_NOT_OFFERED = frozenset(
    b"""
    ASKING BGREWRITEAOF BGSAVE CLUSTER CLUSTERSCAN COMMANDLOG DEBUG DELIFEQ FAILOVER LASTSAVE LATENCY LCS LOLWUT
    MIGRATE MODULE MOVE OBJECT PFDEBUG PFSELFTEST PSYNC READONLY READWRITE REPLCONF REPLICAOF RESTORE-ASKING ROLE
    SAVE SHUTDOWN SLAVEOF SLOWLOG SORT SORT_RO SPUBLISH SUBSTR SWAPDB SYNC XSETID
    """.split()
)
_UNKNOWN = re.compile("ERR unknown command '(.*?)'")


def refusal_of(command: Command) -> ReplyError | None:
    """Return the error with which the service refuses a command, or None if it takes it."""
    name = command[0].upper()
    if name in _NEEDS_A_CONNECTION or _blocks(name, command):
        return ReplyError(
            f'ERR Command "{name.decode()}" is not allowed in REST or it has a special context path'
        )  # [W]
    if name in _NOT_OFFERED or (name == b"CONFIG" and b"GET" not in (word.upper() for word in command[1:2])):
        return _unavailable(name.decode())
    return None


def in_service_words(error: ReplyError) -> str:
    """Return an error's text as the service words it: Valkey's own, but for a command that nobody knows."""
    unknown = _UNKNOWN.match(str(error))
    return str(_unavailable(unknown[1]) if unknown else error)


def _blocks(name: bytes, command: Command) -> bool:
    first_option = {b"XREAD": 1, b"XREADGROUP": 4}.get(name)  # GROUP, its name and the consumer's come before
    if not first_option:
        return False
    options = (word.upper() for word in command[first_option:])
    return b"BLOCK" in itertools.takewhile(lambda word: word != b"STREAMS", options)


def _unavailable(name: str) -> ReplyError:
    see = "See https://upstash.com/docs/redis/overall/rediscompatibility for details"
    return ReplyError(f"ERR Command is not available: '{name.upper()}'. {see}")  # [W]
