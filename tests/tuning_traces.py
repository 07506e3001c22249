"""Traces for the tests of tuning: small random ones that meet every rule, and larger ones whose answer is known."""

import numpy as np

from dousell_cache.tuning.trace import INVALIDATE, READ, Trace


def random_trace(generator: np.random.Generator, *, changes: bool) -> Trace:
    """Return up to sixty events on up to three keys, on a grid of times so that many coincide."""
    size = int(generator.integers(1, 60))
    grid = float(generator.choice([0.0005, 0.001, 0.5]))
    times = np.sort(np.round(generator.uniform(0, generator.choice([1, 5, 30]), size) / grid) * grid)
    operations = generator.random(size) < (generator.choice([0.1, 0.3, 0.5]) if changes else 0)
    operations[generator.integers(size)] = False
    keys = [f"page:{key}" for key in generator.integers(0, generator.integers(1, 4), size)]
    return Trace.of(times, keys, operations.astype(int))


def poisson_trace(
    rates: list[float], seconds: float, *, changes: float = 0.0, seed: int = 1, name: str = "page"
) -> Trace:
    """Return reads of keys at these rates, each key changing ``changes`` times a second."""
    generator = np.random.default_rng(seed)
    times, keys, operations = [], [], []
    for key, rate in enumerate(rates):
        for operation, often in ((READ, rate), (INVALIDATE, changes)):
            count = generator.poisson(often * seconds)
            times.append(generator.uniform(0, seconds, count))
            keys += [f"{name}:{key}"] * count
            operations += [operation] * count
    return Trace.of(np.concatenate(times), keys, operations, sort=True)
