"""Which cache a command means: that of an environment by its name, of a URL, or the one that belongs here."""

import os

from ..environments import NAMES
from ..errors import ConfigurationError
from ..transport.connect import Place, locate


def place_of(name: str | None, url: str | None = None) -> Place:
    """Return where a cache is, starting what stands in for it.

    Args:
        name: an environment; None for what ``url`` says.
        url: an address; None for what the environment variables say.

    Raises:
        ConfigurationError: there is no such environment, or something about it makes no sense.
    """
    if name is None:
        return locate(url)
    if name not in NAMES:
        from ..reporting.nearest import suggestion

        message = f'there is no environment "{name}": {suggestion(name, NAMES)}'
        raise ConfigurationError(message)
    from ..dousell.site import cache_environment

    return locate(cache_environment(name, os.environ))
