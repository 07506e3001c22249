"""Who makes the load: processes of this machine, the workers of a Dask cluster, or any executor of the caller's."""

import asyncio
import multiprocessing
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..errors import ConfigurationError, MeasurementFailed, installing
from .stop_flag import StopFlag
from .stopwatch import cancelled_from_outside

T = TypeVar("T")

_SCHEMES = ("tcp://", "tls://", "ucx://", "ws://", "wss://")
_LOOK_SECONDS = 1.0  # between two looks at whether a cluster's workers are still there
_STOP_SECONDS = 5.0  # how long calls that are to stop are waited for


@dataclass(frozen=True)
class Crew:
    """Where each worker's calls go.

    Args:
        seats: an executor for each worker; the same one several times where it chooses who does what.
        client: of the Dask cluster that they belong to, or None.
        addresses: of the cluster's workers, one for each seat.
        flag: what is up once its calls are to stop, for those that look.
        calls: all that were made.
    """

    seats: list[Executor]
    client: Any = None
    addresses: list[str] = field(default_factory=list)
    flag: StopFlag = field(default_factory=StopFlag)
    calls: list[Future[Any]] = field(default_factory=list)

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

    async def done(self, executor: Executor, function: Callable[..., T], *arguments: object) -> T:
        """Have a worker call a function, and return what it does.

        Raises:
            MeasurementFailed: it failed, or the call never reached it.
        """
        try:
            self.calls.append(call := executor.submit(function, *arguments))
            one = _awaitable(call)
            await asyncio.wait([one])  # how it ends is to be known also when this is cancelled
            return one.result()
        except asyncio.CancelledError:
            if cancelled_from_outside():
                raise
            reason = "its call was cancelled"
        except Exception as error:  # noqa: BLE001 - whatever fails in a worker, or on the way to it, ends the run
            reason = f"{type(error).__name__}: {error}"
        message = f"a worker failed, so nothing of this run counts: {reason}"
        raise MeasurementFailed(message)

    async def stop(self) -> None:
        """Stop its calls and wait for their end; while somebody may not have seen the flag, it stays up.

        The last call that outlives the wait takes it down, but for a cluster's, whose machines are out of reach then.
        """
        if not self.calls:
            return
        await self._everywhere(self.flag.up)
        for call in () if self.pinned else self.calls:  # a cluster's call would only seem to have ended
            call.cancel()
        _, left = await asyncio.wait(map(_awaitable, self.calls), timeout=_STOP_SECONDS)
        for one in left:
            one.cancel()
        if not left:
            await self._everywhere(self.flag.down)
        elif not self.client:
            _after_all(self.calls, self.flag.down)

    async def _everywhere(self, act: Callable[[], object]) -> None:
        act()
        if self.client:
            await asyncio.to_thread(_on_workers, self.client, self.addresses, act)


def _after_all(calls: Iterable[Future[Any]], act: Callable[[], object]) -> None:
    """Call a function once all of these have ended, in whichever thread the last one ends."""
    going = set(calls)

    def ended(call: Future[Any]) -> None:
        going.discard(call)
        if not going:
            act()

    for call in list(going):
        call.add_done_callback(ended)


def _awaitable(call: Future[T]) -> asyncio.Future[T]:
    """Return a call to be awaited, or not: what it raises then is nobody's concern, and not logged."""
    one = asyncio.wrap_future(call)
    one.add_done_callback(lambda done: done.cancelled() or done.exception())
    return one


@asynccontextmanager
async def open_crew(workers: int, executor: Executor | None, scheduler: str | None) -> AsyncIterator[Crew]:
    """Open so many workers; when what is done with them fails or is cancelled, stop their calls.

    Args:
        workers: how many.
        executor: whose they are; None for processes of this machine, which are started and, however it ends, ended.
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
        opened: AbstractAsyncContextManager[Crew] = nullcontext(Crew([executor] * workers))
    elif scheduler:
        opened = _cluster(scheduler, workers)
    else:
        with _processes(workers) as pool:  # which are ended, so there is nothing to stop
            yield Crew([pool] * workers)
        return
    async with opened as crew:
        try:
            yield crew
        except BaseException:
            await crew.stop()
            raise


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
        message = f"a cluster needs Dask: {installing('cluster')}"
        raise ConfigurationError(message) from None
    try:
        return Client(scheduler, timeout=10, set_as_default=False)  # type: ignore[no-untyped-call]  # Dask's own
    except (OSError, ValueError) as error:
        message = f"no Dask scheduler answers at {scheduler}: {error}"
        raise ConfigurationError(message) from None


def _on_workers(client: Any, addresses: list[str], act: Callable[[], object]) -> None:
    """Call a function in the workers' own threads, whatever their tasks are doing."""
    present = sorted(_addresses(client).intersection(addresses))
    if present:
        client.run(act, workers=present, on_error="ignore")


def _addresses(client: Any) -> set[str]:
    return set(client.scheduler_info(n_workers=-1)["workers"])
