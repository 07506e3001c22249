"""Programs that are meant to be copied."""
