"""The documentation; its pages are Markdown, and `docs.generate` makes those that are made."""
