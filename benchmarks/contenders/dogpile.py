"""dogpile.cache on its Redis backend: pickled values; its default lock holds for one process."""

from typing import Any

from dogpile.cache import make_region

from . import TTL, Load, Read


def region(url: str, load: Load, **arguments: Any) -> Read:
    """``region.get_or_create``."""
    arguments = {"url": url, **arguments}
    made = make_region().configure("dogpile.cache.redis", expiration_time=TTL, arguments=arguments)
    return lambda key: made.get_or_create(key, lambda: load(key))


def distributed(url: str, load: Load) -> Read:
    """``region.get_or_create`` with its lock on the server, which must not be local to a thread then."""
    return region(url, load, distributed_lock=True, thread_local_lock=False)
