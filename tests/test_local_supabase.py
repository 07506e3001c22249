"""The Supabase gateway: the real supabase client through it, and every byte that it must not touch."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import supabase
from postgrest.exceptions import APIError

from dousell_cache.local import Cloud
from dousell_cache.local.process import answers_http, free_ports, spawn, stop_all

# The supabase client hands its postgrest client parameters that the latter has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:The '\\w+' parameter is deprecated:DeprecationWarning")

NO_KEY = {"message": "No API key found in request", "hint": "No `apikey` request header or url param was found."}

PLAIN_GET = b"GET /rest/v1/t HTTP/1.1\r\nhost: g\r\napikey: k\r\nconnection: close\r\n\r\n"

TABLE = """
    drop table if exists gateway_homes;
    create table gateway_homes (id int primary key, city text not null, hidden boolean not null default false);
    insert into gateway_homes select n, 'Thiès', n > 4 from generate_series(1, 5) n;
    alter table gateway_homes enable row level security;
    create policy visible on gateway_homes for select to anon using (not hidden);
    create or replace function gateway_double(n int) returns int language sql as 'select n * 2';
"""


@pytest.fixture(scope="module")
def rest(cloud: Cloud, wait_until: Callable[[Callable[[], bool]], None]) -> Iterator[str]:
    """The URL of a table behind the gateway: four rows that anon may see, and one that it may not."""
    url, key = f"{cloud.supabase_url}/rest/v1/gateway_homes", {"apikey": cloud.supabase_anon_key}
    with psycopg.connect(cloud.postgres_url, autocommit=True) as database:
        database.execute(TABLE)
        wait_until(lambda: httpx.get(url, headers=key).is_success)
        yield url
        database.execute("drop table gateway_homes; drop function gateway_double")


@pytest.fixture
def anon(cloud: Cloud, rest: str) -> Iterator[Any]:
    """The blocking client with the public key."""
    client = supabase.create_client(rest.partition("/rest/")[0], cloud.supabase_anon_key)
    yield client
    client.postgrest.aclose()


def test_the_client_reads_through_the_gateway(anon: Any) -> None:
    """Filters, order, ranges and counts: query string, Range and Content-Range pass."""
    homes = anon.table("gateway_homes")
    page = homes.select("id,city", count="exact").eq("city", "Thiès").order("id", desc=True).range(0, 1).execute()
    assert page.data == [{"id": 4, "city": "Thiès"}, {"id": 3, "city": "Thiès"}]
    assert page.count == 4
    assert homes.select("id").in_("id", [1, 2, 5]).execute().data == [{"id": 1}, {"id": 2}]
    assert homes.select("id").eq("id", 5).maybe_single().execute() is None
    assert homes.select("*", count="exact", head=True).execute().count == 4


def test_the_client_writes_through_the_gateway(cloud: Cloud, rest: str) -> None:
    """POST, PATCH, DELETE and RPC: bodies and Prefer pass, the service key sees everything."""
    service: Any = supabase.create_client(rest.partition("/rest/")[0], cloud.supabase_service_key)
    homes = service.table("gateway_homes")
    row = {"id": 99, "city": "Saint-Louis 😀", "hidden": True}
    assert homes.insert(row).execute().data == [row]
    assert homes.update({"city": "Dakar"}).eq("id", 99).execute().data == [{**row, "city": "Dakar"}]
    assert homes.delete(count="exact").eq("id", 99).execute().count == 1
    assert homes.select("*", count="exact", head=True).execute().count == 5
    assert service.rpc("gateway_double", {"n": 21}).execute().data == 42
    service.postgrest.aclose()


def test_refusals_keep_their_code(anon: Any, cloud: Cloud) -> None:
    """Row level security's and PostgREST's own errors reach the client as they are."""
    with pytest.raises(APIError) as forbidden:
        anon.table("gateway_homes").insert({"id": 7, "city": "x"}).execute()
    assert forbidden.value.code == "42501"
    forged = httpx.get(f"{cloud.supabase_url}/rest/v1/gateway_homes", headers={"apikey": "a.b.c"})
    assert (forged.status_code, forged.json()["code"]) == (401, "PGRST301")


async def test_the_async_client_reads_through_the_gateway(cloud: Cloud, rest: str) -> None:
    """Twenty reads at once each get their own answer."""
    client = await supabase.acreate_client(rest.partition("/rest/")[0], cloud.supabase_anon_key)
    reads = [client.table("gateway_homes").select("id").eq("id", 1 + n % 4).execute() for n in range(20)]
    assert [read.data for read in await asyncio.gather(*reads)] == [[{"id": 1 + n % 4}] for n in range(20)]
    await client.postgrest.aclose()


@pytest.mark.parametrize("headers", [{}, {"apikey": ""}, {"Authorization": "Bearer x"}])
def test_without_an_api_key_nothing_passes(rest: str, headers: dict[str, str]) -> None:
    """401 with Supabase's body, for reads and writes, whatever else is shown."""
    for response in (httpx.get(rest, headers=headers), httpx.post(rest, json={"id": 8, "city": "x"}, headers=headers)):
        assert (response.status_code, response.json()) == (401, NO_KEY)


def test_the_api_key_is_who_one_is_unless_one_says_otherwise(cloud: Cloud, rest: str) -> None:
    """Without Authorization the key counts, in the header or the URL; with it, Authorization does."""
    anon, service = cloud.supabase_anon_key, cloud.supabase_service_key
    asked: list[tuple[dict[str, str], dict[str, str]]] = [
        ({"apikey": anon}, {}),
        ({"apikey": service}, {}),
        ({}, {"apikey": service}),
        ({"apikey": anon, "Authorization": f"Bearer {service}"}, {}),
    ]
    seen = [
        len(httpx.get(rest, params={"select": "id", **params}, headers=headers).json()) for headers, params in asked
    ]
    assert seen == [4, 5, 5, 5]


@pytest.mark.parametrize("path", ["/", "/rest/v2/t", "/rest/v1", "/auth/v1/token", "/gateway_homes"])
def test_only_the_prefix_leads_to_postgrest(cloud: Cloud, path: str) -> None:
    """Everything else is 404 with the platform's body, key or no key."""
    response = httpx.get(f"{cloud.supabase_url}{path}", headers={"apikey": cloud.supabase_service_key})
    assert (response.status_code, response.json()) == (404, {"error": "requested path is invalid"})


class Upstream:
    """A server that notes the bytes of each request and answers with given ones."""

    port: int
    head: bytes
    body: bytes
    reply: bytes

    async def __call__(self, incoming: asyncio.StreamReader, outgoing: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.head = await incoming.readuntil(b"\r\n\r\n")
        length = sum(int(line[15:]) for line in self.lines if line.startswith(b"content-length:"))
        self.body = await incoming.readexactly(length)
        outgoing.write(self.reply)
        outgoing.close()

    @property
    def lines(self) -> list[bytes]:
        """The request's head, line by line."""
        return self.head.split(b"\r\n")


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """A server to stand where PostgREST does."""
    upstream = Upstream()
    async with await asyncio.start_server(upstream, "127.0.0.1", 0) as server:
        upstream.port = server.sockets[0].getsockname()[1]
        yield upstream


@pytest.fixture
async def port(upstream: Upstream, tmp_path: Path) -> AsyncIterator[int]:
    """The port of a gateway in front of it."""
    (port,) = free_ports(1)
    options = ["--port", str(port), "--postgrest", f"http://127.0.0.1:{upstream.port}"]
    child = spawn("gateway", [sys.executable, "-m", "dousell_cache.local.supabase", *options], tmp_path / "log")
    upstream.reply = b"HTTP/1.1 200 OK\r\n\r\n"
    await asyncio.to_thread(child.wait_ready, partial(answers_http, port, "/health"), 20)
    yield port
    stop_all([child])


async def exchange(port: int, request: bytes) -> tuple[bytes, bytes]:
    """Send a request as it is; return the head and the body of what comes back."""
    incoming, outgoing = await asyncio.open_connection("127.0.0.1", port)
    outgoing.write(request)
    head = await incoming.readuntil(b"\r\n\r\n")
    body = await incoming.read()
    outgoing.close()
    return head, body


async def test_a_request_arrives_byte_for_byte(upstream: Upstream, port: int) -> None:
    """Target, headers and body pass; only what concerns the connection, and the gateway's own key, stays behind."""
    query = b'select=a,b(c)&name=eq.%C3%A9%2f+x&or=(a.lt.1,b.gt.2)&q={"x"}|\''
    request = [
        b"PATCH /rest/v1/t%20t/%7e?apikey=k&" + query + b" HTTP/1.1",
        b"host: gateway",
        b"prefer: return=minimal",
        b"prefer: count=exact",
        b"range: 0-9",
        b"accept-encoding: zstd",
        b"x-odd:  \xe9 two  words",
        b"connection: close, x-hop",
        b"x-hop: mine",
        b"content-length: 4",
    ]
    await exchange(port, b"\r\n".join(request) + b"\r\n\r\n\x00\xff\r\n")
    assert (upstream.lines[0], upstream.body) == (b"PATCH /t%20t/%7e?" + query + b" HTTP/1.1", b"\x00\xff\r\n")
    assert [line for line in upstream.lines[1:-2] if not line.lower().startswith(b"host:")] == [
        *request[2:6],
        b"x-odd: \xe9 two  words",
        b"content-length: 4",
        b"authorization: Bearer k",
    ]


@pytest.mark.parametrize(
    ("reply", "status", "headers", "body"),
    [
        (
            b"HTTP/1.1 206 Partial Content\r\nContent-Range: 0-1/4\r\nContent-Length: 2\r\n\r\n[]",
            b"206",
            [b"Content-Range: 0-1/4", b"Content-Length: 2"],
            b"[]",
        ),
        (
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n"
                b"3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"
            ),
            b"200",
            [b"Content-Encoding: gzip", b"content-length: 4"],
            b"abcd",
        ),
        (
            b"HTTP/1.1 302 Found\r\nLocation: /there\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n",
            b"302",
            [b"Location: /there", b"Set-Cookie: a", b"Set-Cookie: b", b"Content-Length: 0"],
            b"",
        ),
        (b"HTTP/1.1 204 No Content\r\nKeep-Alive: timeout=1\r\nX-A: b\r\n\r\n", b"204", [b"X-A: b"], b""),
    ],
    ids=["206", "chunked", "302", "204"],
)
async def test_a_response_arrives_byte_for_byte(
    upstream: Upstream, port: int, reply: bytes, status: bytes, headers: list[bytes], body: bytes
) -> None:
    """Status, headers, repeated ones too, and the body as it was encoded; redirects are the client's business."""
    upstream.reply = reply
    head, received = await exchange(port, PLAIN_GET)
    first, *lines, mark, _connection = head.rstrip().split(b"\r\n")
    assert (first.split()[1], received) == (status, body)
    assert mark.startswith(b"dousell-emulated: ")
    assert [line.lower() for line in lines] == [line.lower() for line in headers]


async def test_a_lost_postgrest_is_said(upstream: Upstream, port: int) -> None:
    """An answer cut short, and none at all, are 503 with a JSON body; the health check says so too."""
    for upstream.reply in (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", b"", b"nonsense\r\n\r\n"):
        head, body = await exchange(port, PLAIN_GET)
        assert head.split()[1] == b"503"
        assert json.loads(body)["message"] == "PostgREST is not reachable"
    assert not await asyncio.to_thread(answers_http, port, "/health")
