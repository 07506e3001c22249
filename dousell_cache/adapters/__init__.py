"""Adapters: hand a cache's events to logging, Prometheus or OpenTelemetry.

Each module has one function, ``observe_with_…(cache, …)``, that subscribes and returns the function that ends it.
Nothing else of the package imports these modules, so what they need is loaded only by those who use them:
the extra ``[prometheus]`` or ``[opentelemetry]``; logging needs nothing.
"""
