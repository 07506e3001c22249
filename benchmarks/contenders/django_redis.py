"""django-redis, as Django's default cache: pickled values."""

from django.conf import settings
from django.core.cache import cache

from . import TTL, Load, Read


def get_or_set(url: str, load: Load) -> Read:
    """``cache.get_or_set``."""
    settings.configure(CACHES={"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": url}})
    return lambda key: cache.get_or_set(key, lambda: load(key), TTL)
