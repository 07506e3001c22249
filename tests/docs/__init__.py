"""What the documentation says is run, counted and compared."""
