"""The README's example: a slow read, through a cache."""

import time

from dousell_cache import connect


def load_properties() -> list[dict[str, object]]:
    """Stand in for a database 300 ms away."""
    time.sleep(0.3)
    return [{"id": 7, "title": "Villa aux Almadies", "rent_xof": 900_000}]


with connect() as cache:
    for _ in range(3):
        started = time.perf_counter()
        rows = cache.get_or_set("all_properties", load_properties, ttl=300)
        print(f"{rows[0]['title']}: {(time.perf_counter() - started) * 1000:.1f} ms")
    cache.invalidate("all_properties")
