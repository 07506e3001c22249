"""What the figures of all reads are made of, as tables and a sentence."""

from ..measure.mixture import Mixture
from .tables import Table, number


def mixture_table(mixture: Mixture) -> Table:
    """Show what each way of being answered adds to the mean, and how much of the slowest twentieth it is."""
    cells = [
        (
            part.outcome,
            number(part.share.value, "%"),
            number(part.mean, "ms"),
            number(part.of_mean, "ms"),
            number(part.beyond_p95, "%"),
        )
        for part in mixture.parts
    ]
    headers = ("answered by", "share", "its own mean", "adds to the mean", "share of what is beyond P95")
    return Table("What the mean and the slowest reads are made of", headers, cells)


def mixture_reading(mixture: Mixture) -> str:
    """Say on which path each percentile lies, and from which hit rate on P95 would be a hit's."""
    lines = [
        f"P{place.percent:g} ({number(place.value, 'ms')}) lies on the path of {place.path}: "
        f"{number(place.certainty, '%')} of the reads around it."
        for place in mixture.quantiles
    ]
    needed = mixture.hit_rate_needed
    if needed is not None:
        lines.append(f"From a hit rate of {number(needed, '%')} on, P95 would be a hit's.")
    return "\n".join(lines)
