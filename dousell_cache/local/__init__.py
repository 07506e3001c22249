"""A real cloud on a laptop: servers that several processes share and that die with their users.

>>> with embedded() as server:
...     redis.Redis.from_url(server.url).ping()
True
"""

from .handles import Cloud, Embedded, cloud, embedded
from .latency import PROFILES, LatencyProfile

__all__ = ["PROFILES", "Cloud", "Embedded", "LatencyProfile", "cloud", "embedded"]
