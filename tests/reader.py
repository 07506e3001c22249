"""A process that reads and remembers every answer, for tests of what many processes flush; run as a program.

Arguments: a URL, a namespace, a seed, how many reads. It answers with one line of JSON: for each family the outcome and
the seconds of every read, as its own observer saw them.
"""

import json
import random
import sys
import time

from dousell_cache import connect
from dousell_cache.events import Event, Read, family


def main(url: str, namespace: str, seed: int, reads: int) -> None:
    """Read keys of three families, flush in between, and say what was seen."""
    chance = random.Random(seed)
    seen: dict[str, list[tuple[str, float]]] = {}

    def remember(event: Event) -> None:
        if isinstance(event, Read):
            seen.setdefault(family(event.key), []).append((event.outcome, event.seconds))

    def load() -> int:
        time.sleep(chance.choice((0, 0, 0.0003, 0.002)))  # so that there is a tail to be measured
        return 1

    with connect(url, namespace=namespace, patience=20, ttl=60, figures=True) as cache:
        cache.subscribe(remember)
        for number in range(reads):
            name = chance.choice(("detail", "search", "owner"))
            cache.get_or_set(f"{name}:{seed * chance.randrange(2)}:{chance.randrange(30)}", load)
            if number % 100 == 99:
                cache.flush(force=True)
    sys.stdout.write(json.dumps(seen) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
