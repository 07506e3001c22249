"""Benchmarks of locks: this package's beside its peers'. ``make bench ARGS=locks`` runs them all."""
