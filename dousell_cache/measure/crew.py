"""Who makes the load: processes of this machine, the workers of a Dask cluster, or any executor of the caller's."""

import asyncio
import multiprocessing
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..errors import ConfigurationError, MeasurementFailed

_SCHEMES = ("tcp://", "tls://", "ucx://", "ws://", "wss://")
_LOOK_SECONDS = 1.0  # between two looks at whether a cluster's workers are still there


@dataclass(frozen=True)
class Crew:
    """Where each worker's calls go.

    Args:
        seats: an executor for each worker; the same one several times where it chooses who does what.
        client: of the Dask cluster that they belong to, or None.
        addresses: of the cluster's workers, one for each seat.
    """

    seats: list[Executor]
    client: Any = None
    addresses: list[str] = field(default_factory=list)

    @property
    def pinned(self) -> bool:
        """Whether what is given to one seat is always done by the same worker."""
        return bool(self.addresses)

    async def watch(self) -> None:
        """Look after a cluster's workers until one is gone: then what was its to do would wait for it for ever.

        Raises:
            MeasurementFailed: one is gone.
        """
        while self.client:
            await asyncio.sleep(_LOOK_SECONDS)
            known = await asyncio.to_thread(_addresses, self.client)
            gone = [address for address in self.addresses if address not in known]
            if gone:
                message = f"the worker at {gone[0]} is gone, so nothing of this run counts"
                raise MeasurementFailed(message)
        await asyncio.Event().wait()


@asynccontextmanager
async def open_crew(workers: int, executor: Executor | None, scheduler: str | None) -> AsyncIterator[Crew]:
    """Open so many workers.

    Args:
        workers: how many.
        executor: whose they are; None for processes of this machine, which are started and, at the end, ended.
        scheduler: the address of a Dask cluster's scheduler, instead of an executor.

    Raises:
        ConfigurationError: both are given, the number or the address makes no sense, no scheduler answers there, or
            its cluster has fewer workers.
    """
    if workers < 1:
        message = f"workers must be 1 or more, not {workers}"
        raise ConfigurationError(message)
    if executor and scheduler:
        message = "give either an executor or a scheduler"
        raise ConfigurationError(message)
    if executor:
        yield Crew([executor] * workers)
    elif scheduler:
        async with _cluster(scheduler, workers) as crew:
            yield crew
    else:
        with _processes(workers) as pool:
            yield Crew([pool] * workers)


@contextmanager
def _processes(workers: int) -> Iterator[Executor]:
    # Not forked: a copy of this process would share its connections, and has an event loop that does not run.
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield pool
    except BaseException:
        for process in list((pool._processes or {}).values()):  # noqa: SLF001 - terminate_workers() from 3.14 on
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


@asynccontextmanager
async def _cluster(scheduler: str, workers: int) -> AsyncIterator[Crew]:
    if not scheduler.startswith(_SCHEMES):
        message = f'scheduler must be an address such as tcp://10.0.0.5:8786, not "{scheduler}"'
        raise ConfigurationError(message)
    client = await asyncio.to_thread(_client, scheduler)
    try:
        addresses = sorted(await asyncio.to_thread(_addresses, client))[:workers]
        if len(addresses) < workers:
            message = f"the cluster at {scheduler} has {len(addresses)} workers, not {workers}"
            raise ConfigurationError(message)
        # One executor a worker: of two parts on one worker, the second would begin when the first has ended.
        pinned = {"pure": False, "allow_other_workers": False}
        yield Crew([client.get_executor(workers=[each], **pinned) for each in addresses], client, addresses)
    finally:
        await asyncio.to_thread(client.close)


def _client(scheduler: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        message = 'a cluster needs Dask: pip install "dousell-cache[cluster]"'
        raise ConfigurationError(message) from None
    try:
        return Client(scheduler, timeout=10, set_as_default=False)  # type: ignore[no-untyped-call]  # Dask's own
    except (OSError, ValueError) as error:
        message = f"no Dask scheduler answers at {scheduler}: {error}"
        raise ConfigurationError(message) from None


def _addresses(client: Any) -> set[str]:
    return set(client.scheduler_info(n_workers=-1)["workers"])
