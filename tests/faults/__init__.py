"""What happens when a cache is refused, silent, broken or lying: the breaker, the proxy that does it, every way."""
