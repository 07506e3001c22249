"""The same cache from TypeScript: compiled, run by node, through Upstash's client, ioredis and node-redis."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from dousell_cache import MISSING, connect
from dousell_cache.local import Cloud

FOLDER = Path(__file__).parents[2] / "examples" / "typescript"
NPM = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]


def _run(command: list[str], folder: Path, **variables: str) -> str:
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | variables
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built() -> Path:
    """The example with its packages, installed once for this environment, and compiled."""
    digest = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()[:12]
    place = Path(sys.prefix) / "share" / "dousell-cache" / "typescript" / digest
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.exists():
        draft = Path(tempfile.mkdtemp(dir=place.parent))
        for name in ("package.json", "package-lock.json"):
            shutil.copy(FOLDER / name, draft)
        _run(NPM, draft)
        draft.rename(place)
    for name in ("tsconfig.json", "cache.ts", "show.ts"):
        shutil.copy(FOLDER / name, place)
    _run(["npx", "--no-install", "tsc"], place)
    return place


@pytest.mark.parametrize("library", ["upstash", "ioredis", "node-redis"])
def test_typescript_reads_and_withdraws_what_python_stored(
    built: Path, cloud: Cloud, namespace: str, library: str
) -> None:
    """Node gets Python's values, none that a tag withdrew, and what it withdraws is gone for Python too."""
    variables = {
        "REDIS_URL": cloud.valkey_url,
        "UPSTASH_REDIS_REST_URL": cloud.upstash_url,
        "UPSTASH_REDIS_REST_TOKEN": cloud.upstash_token,
    }
    rows = [{"id": 7, "title": "Villa à Thiès ✓"}, {"id": 2**53 - 1, "title": ""}]
    with connect(cloud.valkey_url, namespace=namespace, patience=5, ttl=60) as cache:
        cache.set("all_properties", rows)
        cache.set("list:dakar", "Dakar", tags=["city:Dakar", "lists"])
        cache.set("list:thies", "Thiès", tags=["city:Thiès"])
        cache.invalidate_tags("city:Thiès")
        printed = json.loads(_run(["node", "built/show.js", library, namespace], built, **variables))
        assert printed == {"rows": rows, "tagged": "Dakar", "withdrawn": None, "after": None}
        assert cache.get("all_properties") is MISSING


def test_typescript_withdraws_a_load_under_way(built: Path, cloud: Cloud, namespace: str) -> None:
    """What was being loaded while TypeScript withdrew its key goes to its own caller, and is not stored."""
    variables = {"REDIS_URL": cloud.valkey_url}

    def load() -> list[int]:
        _run(["node", "built/show.js", "ioredis", namespace], built, **variables)
        return [1]

    with connect(cloud.valkey_url, namespace=namespace, patience=5, ttl=60) as cache:
        assert cache.get_or_set("all_properties", load) == [1]
        assert cache.counters().refused == 1
        assert cache.get("all_properties") is MISSING
