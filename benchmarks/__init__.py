"""Benchmarks: this package beside its peers. Nothing here is a test, and nothing is installed with the package.

``make bench`` runs them; docs/reference/benchmarks.md says what the figures mean.
"""
