"""A process full of callers, for tests of what several processes do together; run as a program, told by lines.

Arguments: a namespace, and how many threads. Each line of input is a JSON list: a URL, or an endpoint and its token;
the seconds of a lease; a key; the seconds of a load. Every thread then reads that key at once. It answers ``loading``
when its loader begins, and then one line of JSON: how often it loaded, what values came, the commands that it took.
"""

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from dousell_cache import Cache, connect
from dousell_cache.environments import from_url, rest


@cache
def connected(url: str, token: str, namespace: str, lease: float) -> Cache:
    """Return the cache there, with a connection that is open."""
    target = rest(url, token) if token else from_url(url)
    opened = connect(target, namespace=namespace, patience=20, lease=lease)
    opened.ping()
    return opened


def read(there: Cache, threads: ThreadPoolExecutor, callers: int, key: str, seconds: float) -> dict[str, object]:
    """Read a key once in every thread."""
    loads = []
    ready = threading.Barrier(callers)
    before = there.counters().commands

    def load() -> str:
        loads.append(key)
        say("loading")
        time.sleep(seconds)
        return f"{key} loaded"

    def call(_: int) -> str:
        ready.wait()
        return there.get_or_set(key, load, ttl=60)

    values = list(threads.map(call, range(callers)))
    commands = there.counters().commands - before
    return {"loads": len(loads), "values": sorted(set(values)), "answered": len(values), "commands": commands}


def say(line: str) -> None:
    """Write a line, whole."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(namespace: str, callers: int) -> None:
    """Answer line after line until the input ends."""
    with ThreadPoolExecutor(callers) as threads:
        say("ready")
        for line in sys.stdin:
            url, token, lease, key, seconds = json.loads(line)
            there = connected(url, token, namespace, lease)
            say(json.dumps(read(there, threads, callers, key, seconds)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
