"""Supabase's gateway in front of a PostgREST: the prefix ``/rest/v1`` and the API key, everything else byte for byte.

Source of the rules: https://github.com/supabase/supabase, docker/volumes/api/kong.yml (strip the path, key-auth, then
Authorization from the key); the 401 and 404 bodies are the hosted platform's.
"""

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .gateway import arguments, serve

__all__ = ["Supabase"]

_PREFIX = b"/rest/v1/"
_PATIENCE = 60.0  # seconds, as Kong's default: a frozen PostgREST is given up then

_NO_KEY = {"message": "No API key found in request", "hint": "No `apikey` request header or url param was found."}
_NO_SUCH_PATH = {"error": "requested path is invalid"}
_NO_POSTGREST = {"code": "503", "message": "PostgREST is not reachable", "details": None, "hint": None}

# They concern one connection, not the message (RFC 9110, 7.6.1); Host names this gateway, not what is behind it.
_HOP_BY_HOP = frozenset(
    b"""
    connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding upgrade
    host
    """.split()
)

Headers = list[tuple[bytes, bytes]]


class Supabase:
    """Forward requests to one PostgREST.

    Args:
        postgrest: its URL.
    """

    def __init__(self, postgrest: str) -> None:
        self._postgrest = httpx.URL(postgrest)
        self._client = httpx.AsyncClient(timeout=_PATIENCE, trust_env=False)

    async def is_ready(self) -> bool:
        """Say whether PostgREST answers and has read the schema."""
        try:
            response = await self._client.head(self._postgrest)
        except httpx.HTTPError:
            return False
        return response.is_success

    async def close(self) -> None:
        """Close the connections to PostgREST."""
        await self._client.aclose()

    async def answer(self, request: Request) -> Response:
        """Forward one request, or refuse it as the gateway does."""
        path: bytes = request.scope["raw_path"]
        if not path.startswith(_PREFIX):
            return JSONResponse(_NO_SUCH_PATH, 404)
        key = request.headers.get("apikey") or request.query_params.get("apikey")
        if not key:
            return JSONResponse(_NO_KEY, 401)
        headers = _end_to_end(request.scope["headers"])
        if "authorization" not in request.headers:
            headers.append((b"authorization", b"Bearer " + key.encode("latin-1")))
        target = path.removeprefix(_PREFIX[:-1]) + _query(request)
        try:
            return await self._forward(request.method, target, headers, await request.body())
        except httpx.HTTPError:
            return JSONResponse(_NO_POSTGREST, 503)

    async def _forward(self, method: str, target: bytes, headers: Headers, body: bytes) -> Response:
        # As an extension the target reaches PostgREST as it came; in the URL it would be normalised.
        request = httpx.Request(
            method, self._postgrest, headers=headers, content=body or None, extensions={"target": target}
        )
        response = await self._client.send(request, stream=True)
        try:
            content = b"".join([chunk async for chunk in response.aiter_raw()])
        finally:
            await response.aclose()
        answer = Response(content, response.status_code)
        answer.raw_headers = _end_to_end(response.headers.raw)
        if content and "content-length" not in response.headers:  # it came in chunks, it leaves whole
            answer.raw_headers.append((b"content-length", b"%d" % len(content)))
        return answer


def _end_to_end(headers: Headers) -> Headers:
    connection = b",".join(value for name, value in headers if name.lower() == b"connection")
    dropped = _HOP_BY_HOP.union(word.strip().lower() for word in connection.split(b","))
    return [(name, value) for name, value in headers if name.lower() not in dropped]


def _query(request: Request) -> bytes:
    # A key in the query is the gateway's: PostgREST would take it for a filter on a column.
    query: bytes = request.scope["query_string"]
    kept = b"&".join(pair for pair in query.split(b"&") if not pair.startswith(b"apikey="))
    return b"?" + kept if kept else b""


def main() -> None:
    """Run the gateway from the command line."""
    parser = arguments("dousell_cache.local.supabase", "Serve a PostgREST at /rest/v1 as Supabase does.")
    parser.add_argument("--postgrest", required=True, metavar="URL", help="URL of the PostgREST")
    options = parser.parse_args()
    serve(Supabase(options.postgrest), options.port, options.latency)


if __name__ == "__main__":
    main()
