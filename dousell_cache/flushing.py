"""Flush: add what this process recorded to the figures of all processes, in one command."""

import logging

from . import scripts
from .context import Call
from .errors import CacheError, CacheUnavailable, CommandRefused
from .recording import BATCH_LIVES_MS, LIVE_MS, Recorder

logger = logging.getLogger("dousell_cache")


async def flush(call: Call, recorder: Recorder) -> bool:
    """Send what was recorded and return whether it arrived; what did not is kept for the next time."""
    batch = recorder.take()
    if batch is None:
        return False
    names = call.store.server.names
    counts = [word for field, count in batch.fields.items() for word in (field, count)]
    try:
        await call.store.run(
            scripts.ADD_FIGURES,
            (names.figures(batch.hour), names.batch(recorder.process)),
            *(batch.number, LIVE_MS, BATCH_LIVES_MS, *counts),
        )
    except CacheError as error:
        if isinstance(error, CacheUnavailable) and error.ambiguous:
            recorder.doubted(batch)
        if isinstance(error, CommandRefused) and not recorder.refused:
            recorder.refused = True  # said once: it will be refused again
            logger.warning("the server takes no figures, so the monitor will miss this process: %s", error)
        return False
    recorder.arrived(batch)
    return True


async def flush_all(call: Call, recorder: Recorder) -> None:
    """Send all that was recorded, as long as it arrives: a process ends."""
    while await flush(call, recorder):
        call.ask_anew()
