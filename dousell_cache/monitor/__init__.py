"""Watching: what the cache is doing, in every process and on its server, and whether the two agree.

Nothing is imported here: a service that only probes for staleness (:mod:`.staleness`) carries the core's packages
alone, while whoever reads figures needs the extra ``[lab]``.
"""
