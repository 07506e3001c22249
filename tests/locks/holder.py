"""A process that holds a lock, told by lines; run as a module, for tests that kill it, freeze it or fork it.

Arguments: a face, a namespace, a URL, and a token if the URL is an endpoint's. Each line of input is a JSON list: a
word and its arguments. It answers each with one line of JSON: what came of it, or the name of the error.
"""

import asyncio
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dousell_cache.environments import from_url, rest
from dousell_cache.errors import CacheError

from ..faces import open_face
from .parties import Grip, Party


class Holder:
    """One process, and the lock that it took last."""

    def __init__(self, party: Party) -> None:
        self.party = party
        self.grip: Grip

    async def take(self, ttl: float, options: dict[str, Any]) -> int:
        """Take the lock; return its fence."""
        self.grip = await self.party.take(ttl, **options)
        return self.grip.fence

    async def ensure(self) -> bool:
        """Make sure that it is held."""
        await self.grip.ensure()
        return True

    async def remaining(self) -> float:
        """Return the seconds left."""
        return self.grip.remaining()

    async def release(self) -> bool:
        """Let go of it."""
        await self.grip.release()
        return True

    async def fork(self) -> list[object]:
        """Let a child try to do what only its parent may; return what it was told, its lock's ``lost`` first."""
        reading, writing = os.pipe()
        if not (child := os.fork()):
            os.write(writing, json.dumps(self._in_a_child()).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as told:
            seen = json.load(told)
        await asyncio.to_thread(os.waitpid, child, 0)
        return list(seen)

    def _in_a_child(self) -> list[object]:
        seen: list[object] = [self.grip.lost, self.grip.remaining()]
        for word in (self.grip.held.ensure, self.grip.held.extend, self.grip.held.release):
            try:
                answer = word()
                if asyncio.iscoroutine(answer):
                    answer.send(None)
                seen.append("done")
            except CacheError as error:
                seen.append(type(error).__name__)
        return seen


async def main(face: str, namespace: str, url: str, token: str) -> None:
    """Answer line after line until the input ends."""
    opened = await open_face(face, rest(url, token) if token else from_url(url), namespace=namespace)
    holder = Holder(Party(opened, ThreadPoolExecutor(1)))
    while line := await asyncio.to_thread(sys.stdin.readline):
        word, *arguments = json.loads(line)
        try:
            answer = await getattr(holder, word)(*arguments)
        except CacheError as error:
            answer = type(error).__name__
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    await opened.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))
