"""The connection test as a result: what :mod:`dousell_cache.check` saw, in one environment."""

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ..check import STEPS, Check, Step
from ..dousell.site import cache_environment
from ..environments import Environment
from ..transport.connect import locate
from .place import Place, Survey, survey
from .provenance import commit
from .result import Result, this_host, utc_now


@dataclass(frozen=True)
class ConnectionTest:
    """A connection test that was run.

    Args:
        environment: where the cache was found.
        started: UTC.
        seconds: how long it took.
        steps: what was tried.
        place: how far the cache is, over what.
    """

    environment: Environment
    started: str
    seconds: float
    steps: list[Step]
    place: Place

    @property
    def reading(self) -> str:
        """What the test says, in plain sentences."""
        failed = [step for step in self.steps if not step.passed]
        passed = len(self.steps) - len(failed)
        lines = [f"{passed} of {STEPS} steps passed at {self.environment.address or 'no cache'}."]
        lines += [f"{step.name}: {step.detail}." for step in failed]
        if self.environment.emulated:
            lines.append(f"Emulated on this machine: {self.environment.emulated}.")
        return "\n".join(lines)

    @property
    def result(self) -> Result:
        """The test as it is published."""
        return Result(
            notebook="00_check_connection",
            environment=self.environment.name,
            cache=self.environment.address,
            origin="",
            emulated=[self.environment.emulated] if self.environment.emulated else [],
            started=self.started,
            seconds=round(self.seconds, 3),
            parameters={"environment": self.environment.name},
            steps=self.steps,
            host=this_host(),
            place=self.place,
            commit=commit(),
        )


def check_connection(environment: str) -> ConnectionTest:
    """Run the connection test in an environment.

    Args:
        environment: ``local``, ``vercel`` or ``dedicated``.

    Raises:
        ConfigurationError: there is no such environment, or its variables make no sense.
    """
    started, clock = utc_now(), time.monotonic()
    place = locate(cache_environment(environment, os.environ))
    test = Check(place)
    try:
        surveyed = _surveyed(place.environment)
        steps = list(test.steps())
    finally:
        test.close()
    return ConnectionTest(place.environment, started, time.monotonic() - clock, steps, surveyed.until_now())


def _surveyed(environment: Environment) -> Survey:
    """Look at the place in a thread of its own, since a notebook's thread has a loop already."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(survey(environment))).result()
