"""What the plans of all measurements are held to: a profile that there is, and numbers within bounds. Pure."""

from collections.abc import Iterable, Mapping

from ..errors import ConfigurationError


def check_profile(profile: str, profiles: Iterable[str]) -> None:
    """Refuse a profile that there is not.

    Raises:
        ConfigurationError: it is none of them; the message names those that there are.
    """
    known = list(profiles)
    if profile not in known:
        message = f"there is no profile {profile!r}; there are {', '.join(known)}"
        raise ConfigurationError(message)


def check_bounds(plan: object, bounds: Mapping[str, tuple[float, float]]) -> None:
    """Refuse a plan of which a number is out of bounds; None, where a plan allows it, leaves it to the profile.

    Args:
        plan: what has the numbers.
        bounds: the least and the most allowed, by the name of the number.

    Raises:
        ConfigurationError: one is out of its bounds; the message names it and them.
    """
    for name, (low, high) in bounds.items():
        value = getattr(plan, name)
        if value is not None and not low <= value <= high:
            message = f"{name} must be between {low:,} and {high:,}, not {value:,}"
            raise ConfigurationError(message)
