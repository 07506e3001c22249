"""How a command reaches a server: one port (:mod:`.port`), one module for each way."""
