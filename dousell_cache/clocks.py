"""The clocks of the two faces. Flows never import this: a clock comes in with the call."""

import time


class MonotonicClock:
    """The machine's monotonic clock."""

    def now(self) -> float:
        """Return monotonic seconds."""
        return time.monotonic()
