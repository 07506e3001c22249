"""Reads of property pages through a site's cache: by this process, or by workers that open the site themselves."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

from ..dousell.site import Site, open_site
from ..errors import MeasurementFailed
from .load_result import LoadResult
from .outcomes import outcomes
from .progress import Watcher
from .stopwatch import Operation
from .workers import run_in_workers
from .workload import Schedule

_OPENING_SECONDS = 3.0  # for each worker to open the site: clients connect, and the local cloud is joined
_MEETING_POINT, _MEETING_SECONDS = "meeting-point", 600.0  # a key by which workers see that their cache is the one


@contextmanager
def page_reader(site: Site, asked: list[int], ttl: float) -> Iterator[Operation]:
    """Yield what reads through a site's cache, and returns what the cache says that each read came to.

    Args:
        site: an open site.
        asked: the page of each read.
        ttl: seconds an entry lives.
    """
    with outcomes(site.cache) as outcome:

        async def read(index: int) -> str:
            page = asked[index]
            await site.cache.get_or_set(f"detail:{page}", lambda: site.origin.property(page), ttl=ttl)
            return outcome()

        yield read


async def read_in_workers(
    site: Site, schedule: Schedule, asked: list[int], ttl: float, workers: int, scheduler: str, progress: Watcher | None
) -> LoadResult:
    """Read through the cache from other processes, under this site's namespace.

    Args:
        site: an open site; each worker opens it anew, by its own variables.
        schedule: when to read.
        asked: the page of each read.
        ttl: seconds an entry lives.
        workers: how many.
        scheduler: the address of a Dask cluster's scheduler; empty for processes of this machine.
        progress: shown how far it is.

    Raises:
        ConfigurationError: workers or scheduler makes no sense.
        CacheUnavailable: the cache cannot be written, so that workers could not tell that theirs is the same.
        MeasurementFailed: a worker failed, or reaches another cache.
    """
    namespace = site.cache.namespace
    await site.cache.set(_MEETING_POINT, namespace, ttl=_MEETING_SECONDS)
    opening = partial(open_reader, site.environment.name, namespace, asked, ttl, site.patience)
    return await run_in_workers(
        schedule, opening, workers=workers, scheduler=scheduler or None, lead=_OPENING_SECONDS, progress=progress
    )


@asynccontextmanager
async def open_reader(
    environment: str, namespace: str, asked: list[int], ttl: float, patience: float | None = None
) -> AsyncIterator[Operation]:
    """Open the site in a worker, and yield what reads through its cache.

    Args:
        environment: where the cache is, by this worker's own variables.
        namespace: of the site that is measured.
        asked: the page of each read.
        ttl: seconds an entry lives.
        patience: seconds a dead cache may cost one call; default as for ``connect``.

    Raises:
        MeasurementFailed: this worker's cache is not the one that is measured.
    """
    async with open_site(environment, patience=patience, namespace=namespace) as site:
        if await site.cache.get(_MEETING_POINT) != namespace:
            message = f"a worker reaches another cache than the one that is measured: {site.environment.address}"
            raise MeasurementFailed(message)
        with page_reader(site, asked, ttl) as read:
            yield read
