"""compose.yaml, without Docker: its structure, its ports, its keys, and that it is the embedded cloud in containers."""

import base64
import hashlib
import hmac
import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from dousell_cache.environments import detect
from dousell_cache.local import postgrest

from .pages import ROOT

TEXT = (ROOT / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
EXPORTS = dict(re.findall(r"^#   export (\w+)=(\S+)$", TEXT, re.MULTILINE))


def published() -> dict[int, str]:
    """Return which service has which port of this machine."""
    return {int(port.split(":")[1]): name for name, one in SERVICES.items() for port in one.get("ports", [])}


def claims(key: str) -> dict[str, Any]:
    """Return what a key says, once its signature is seen to be that of PostgREST's secret."""
    secret = SERVICES["postgrest"]["environment"]["PGRST_JWT_SECRET"]
    head, body, signature = key.split(".")
    wanted = hmac.new(secret.encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(f"{signature}==") == wanted
    told: dict[str, Any] = json.loads(base64.urlsafe_b64decode(f"{body}=="))
    return told


def test_every_image_is_a_version() -> None:
    """No image is whatever is newest that day."""
    assert [
        one["image"] for one in SERVICES.values() if not re.search(r":v?\d+(\.\d+)*(-alpine)?$", one["image"])
    ] == []


def test_every_port_is_this_machines_alone() -> None:
    """Nothing is published to a network: the passwords are no secrets."""
    ports = [port for one in SERVICES.values() for port in one.get("ports", [])]
    assert [port for port in ports if not re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)] == []


def test_services_and_files_that_are_named_are_there() -> None:
    """What waits for a service names one, what a file is mounted from exists, what a text is mounted from is below."""
    waited = {name for one in SERVICES.values() for name in one.get("depends_on", [])}
    mounted = [volume.split(":")[0] for one in SERVICES.values() for volume in one.get("volumes", [])]
    texts = {config["source"] for one in SERVICES.values() for config in one.get("configs", [])}
    assert waited <= SERVICES.keys()
    assert [file for file in mounted if not (ROOT / file).is_file()] == []
    assert texts == COMPOSE["configs"].keys()


def test_a_service_that_is_waited_for_can_be_asked_whether_it_is_well() -> None:
    """Where another waits until a service is healthy, that service says how to find out."""
    healthy = {name for one in SERVICES.values() if isinstance(wait := one.get("depends_on"), dict) for name in wait}
    assert [name for name in healthy if "healthcheck" not in SERVICES[name]] == []


def test_the_variables_are_those_of_the_embedded_cloud() -> None:
    """Whoever has set them finds the cache by either protocol, and each address is a port that a service has."""
    assert detect(EXPORTS).kind == "tcp"
    assert detect({**EXPORTS, "VERCEL": "1"}).kind == "rest"
    at = {name: published()[urlsplit(value).port or 0] for name, value in EXPORTS.items() if "://" in value}
    assert at == {
        "REDIS_URL": "valkey",
        "UPSTASH_REDIS_REST_URL": "upstash",
        "SUPABASE_URL": "supabase",
        "DATABASE_URL": "postgres",
    }
    assert EXPORTS["UPSTASH_REDIS_REST_TOKEN"] == SERVICES["upstash"]["environment"]["SRH_TOKEN"]
    assert urlsplit(EXPORTS["DATABASE_URL"]).password == SERVICES["postgres"]["environment"]["POSTGRES_PASSWORD"]


@pytest.mark.parametrize(
    ("variable", "role"), [("SUPABASE_KEY", "anon"), ("SUPABASE_SERVICE_ROLE_KEY", "service_role")]
)
def test_keys_are_signed_for_their_role(variable: str, role: str) -> None:
    """Each key is one that this PostgREST takes, as the embedded one's are."""
    told = claims(EXPORTS[variable])
    embedded = json.loads(base64.urlsafe_b64decode(postgrest.key(role, "secret").split(".")[1] + "=="))
    assert told.keys() == embedded.keys()
    assert (told["role"], told["iss"], told["ref"]) == (role, embedded["iss"], embedded["ref"])


def test_postgrest_is_set_up_as_the_embedded_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What PostgREST is told in its container is what it is told here, but for addresses and secrets."""
    seen = dict[str, str]()
    monkeypatch.setattr(postgrest, "spawn", lambda *_, environment: seen.update(environment))
    postgrest.start(ROOT, ROOT, (1, 2), "", "")
    own = {"PGRST_SERVER_HOST", "PGRST_SERVER_PORT", "PGRST_ADMIN_SERVER_PORT", "PGRST_DB_URI", "PGRST_JWT_SECRET"}
    told = SERVICES["postgrest"]["environment"]
    assert {name: told.get(name) for name in seen.keys() - own} == {name: seen[name] for name in seen.keys() - own}


def test_the_gateway_strips_the_path() -> None:
    """Supabase's path leads to PostgREST without it: both sides of nginx's rule end in a slash."""
    content = COMPOSE["configs"]["gateway"]["content"]
    assert re.search(r"location /rest/v1/ \{ proxy_pass http://postgrest:3000/; \}", content)
    assert content.count("{") == content.count("}")
