"""The cache's own flows through every interleaving."""
