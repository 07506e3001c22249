"""The example application as a server runs it: uvicorn in a process of its own, on the session's cloud."""

import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx

from dousell_cache.local import Cloud, process

FOLDER = Path(__file__).parents[2] / "examples" / "rental_site"
TOKEN = "only-the-site-knows"
OURS = {"Authorization": f"Bearer {TOKEN}"}


@contextmanager
def serving(cloud: Cloud, own: Mapping[str, str]) -> Iterator[str]:
    """Run the application for the length of a block, with variables of a test's own; yield its address.

    Args:
        cloud: where its database is.
        own: what leads to its cache, and what is to be other than usual.
    """
    (port,) = process.free_ports(1)
    settings = {
        "SUPABASE_URL": str(cloud.supabase_url),
        "SUPABASE_KEY": cloud.supabase_anon_key,
        "SUPABASE_SERVICE_ROLE_KEY": cloud.supabase_service_key,
        "SITE_TOKEN": TOKEN,
        **own,
    }
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(FOLDER), "--port", str(port), "app:app"]
    with tempfile.TemporaryDirectory() as folder:
        child = process.spawn("the example", command, Path(folder, "log"), environment=settings)
        try:
            child.wait_ready(partial(process.answers_http, port, "/health"), 60)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.stop_all([child])


def client(address: str) -> httpx.AsyncClient:
    """Return a client of the application that is the site's own server."""
    return httpx.AsyncClient(base_url=address, headers=OURS, timeout=30, trust_env=False)
