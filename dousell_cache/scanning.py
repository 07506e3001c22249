"""Find the keys that begin with a prefix: the only thing here that scans a server, and it says so."""

import re
from collections.abc import AsyncIterator
from contextlib import suppress

from .errors import CommandRefused
from .store import Store
from .transport.port import Port, Reply
from .transport.replies import array, bulk, bulks

_AT_ONCE = 1000
_GLOB = re.compile(r"[*?[\]\\]")
_ESCAPED = r"\\\g<0>"


async def with_prefix(store: Store, prefix: str) -> AsyncIterator[set[str]]:
    """Yield keys that begin with a prefix, or are being loaded or stood in for: this scans all names there are."""
    start = store.server.names.value(prefix)
    pattern = f"*{_GLOB.sub(_ESCAPED, start)}*"
    for node in await store.server.port.nodes():
        cursor: Reply = b"0"
        while True:
            store.commands += 1
            reply = await node.send("SCAN", bulk(cursor) or b"0", "MATCH", pattern, "COUNT", _AT_ONCE)
            cursor, names = array(reply, 2)
            found = set[str]()
            for name in bulks(names):
                found |= await _keys(store, node, (name or b"").decode(errors="replace"), prefix)
            yield found
            if cursor == b"0":
                break


async def _keys(store: Store, node: Port, name: str, prefix: str) -> set[str]:
    """Return the keys that a name belongs to; a lock or figures, which may look like a value, have none."""
    keys = store.server.names.keys(name, prefix)
    if not keys or not store.server.names.may_be_no_values(name):
        return keys
    store.commands += 1
    with suppress(CommandRefused):  # a list is no entry
        return keys if await node.send("GETRANGE", name, 0, 0) == b"{" else set()
    return set()
