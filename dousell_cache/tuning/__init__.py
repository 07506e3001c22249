"""TTL tuning: from what was asked of a cache, and when, to what each time to live would have given; then advice.

The arithmetic (trace, curves, bounds, analytic, advice) is pure and imports nothing else of this package.
"""
