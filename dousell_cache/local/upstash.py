"""Upstash's REST API in front of a real Valkey, close enough that Upstash's own clients cannot tell.

Only the protocol lives here; the commands run on Valkey. Sources, by the letter in the comments:
[D] https://upstash.com/docs/redis/features/restapi
[W] texts that the service was seen to answer, as recorded in public issue threads and test suites
Where none of them says anything, a comment says what was assumed.
"""

import hmac
import itertools
import json
import os
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from .gateway import arguments, serve
from .resp import Command, Reply, ReplyError, ValkeyPool
from .upstash_refusals import in_service_words, refusal_of

__all__ = ["Upstash"]

_TOKEN_VARIABLE = "UPSTASH_EMULATOR_TOKEN"  # noqa: S105 - the variable's name

_METHODS = frozenset({"HEAD", "GET", "POST", "PUT"})  # [D]

_UNAUTHORIZED = (  # [W]
    "WRONGPASS invalid or missing auth token. "
    "See https://docs.upstash.com/redis/troubleshooting/http_unauthorized for details."
)
# Assumed: the service's own text is not known. The code is the one by which Redis says that its data is out of reach.
_NO_DATABASE = "MASTERDOWN the database behind this endpoint is not reachable"

# Numbers keep the digits they were sent with: what is stored for 1.10 is 1.10.
_JSON = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


class Upstash:
    """Answer REST requests from one Valkey.

    Args:
        valkey: where the commands run.
        token: the bearer token that callers must show.
    """

    def __init__(self, valkey: ValkeyPool, token: str) -> None:
        self._valkey = valkey
        self._token = token.encode()
        # One server is always consistent, so the token only has to be there and to change.
        self._sync_tokens = itertools.count(1)

    async def is_ready(self) -> bool:
        """Say whether Valkey answers PING."""
        try:
            return await self._valkey.send([[b"PING"]]) == [b"PONG"]
        except OSError:
            return False

    async def close(self) -> None:
        """Close the connections to Valkey."""
        self._valkey.close()

    async def answer(self, request: Request) -> Response:
        """Answer one request in the service's envelope."""
        if request.method not in _METHODS:
            return Response(status_code=405)
        if not self._authorized(request):
            return self._response({"error": _UNAUTHORIZED}, 401)
        base64 = request.headers.get("upstash-encoding") == "base64"
        try:
            return self._response(await self._run(request, base64), 200)
        except ReplyError as error:
            return self._response({"error": in_service_words(error)}, 400)
        except OSError:
            return self._response({"error": _NO_DATABASE}, 503)

    def _authorized(self, request: Request) -> bool:
        # The query's token wins over the header's, which may lack the word Bearer [W].
        header = request.headers.get("authorization", "")
        shown = request.query_params.get("_token") or re.sub("^bearer ", "", header, flags=re.IGNORECASE)
        return hmac.compare_digest(shown.strip().encode(), self._token)

    def _response(self, content: Any, status: int) -> Response:
        headers = {"Upstash-Sync-Token": str(next(self._sync_tokens))}
        return Response(msgspec.json.encode(content), status, headers, "application/json")

    async def _run(self, request: Request, base64: bool) -> Any:
        if request.headers.get("upstash-response-format", "json") != "json":
            raise ReplyError("ERR this emulator answers in JSON only: leave Upstash-Response-Format out")
        path: bytes = request.scope["raw_path"].strip(b"/")
        body = await request.body()
        if path == b"pipeline":
            return [_item(reply, base64) for reply in await self._pipeline(_commands(body))]
        if path == b"multi-exec":
            return [_item(reply, base64) for reply in await self._transaction(_commands(body))]
        command = _path_command(path, body, request.scope["query_string"]) if path else _command(_parsed(body))
        return _item(await self._single(command), base64)

    async def _single(self, command: Command) -> Reply:
        if refusal := refusal_of(command):
            raise refusal
        [reply] = await self._valkey.send([command])
        if isinstance(reply, ReplyError):
            raise reply
        return reply

    async def _pipeline(self, commands: Sequence[Command]) -> list[Reply]:
        refusals = [refusal_of(command) for command in commands]
        accepted = [command for command, refusal in zip(commands, refusals, strict=True) if not refusal]
        replies = iter(await self._valkey.send(accepted))
        return [refusal or next(replies) for refusal in refusals]

    async def _transaction(self, commands: Sequence[Command]) -> list[Reply]:
        # Discarded as a whole, a transaction answers with one error [D]; assumed: that of the first command at fault.
        if refusal := next(filter(None, map(refusal_of, commands)), None):
            raise refusal
        *queued, executed = await self._valkey.send([[b"MULTI"], *commands, [b"EXEC"]])
        if isinstance(executed, ReplyError):
            raise next((reply for reply in queued if isinstance(reply, ReplyError)), executed)
        replies: list[Reply] = executed
        return replies


def _parsed(body: bytes) -> Any:
    # EOF and Go's names of JSON types were seen [W]; assumed: malformed JSON is answered in Go's words as well.
    text = body.decode(errors="replace").strip()
    if not text:
        raise ReplyError("EOF")
    try:
        return _JSON.decode(text)
    except json.JSONDecodeError as error:
        rest = text[error.pos :]
        raise ReplyError(
            f"invalid character '{rest[0]}' looking for beginning of value" if rest else "unexpected EOF"
        ) from None


def _commands(body: bytes) -> list[Command]:
    rows = _parsed(body)
    if not isinstance(rows, list):
        raise ReplyError("expected JSON array")  # [W]
    if not rows:
        raise ReplyError("ERR empty pipeline request")  # [W]
    return [_command(row) for row in rows]


def _command(row: Any) -> Command:
    if not isinstance(row, list):
        raise ReplyError("expected JSON array")  # [W]
    if not row:
        raise ReplyError("ERR empty command")  # [W]
    return [_argument(value) for value in row]


def _argument(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode(errors="replace")
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if value is None:
        raise ReplyError("ERR null args are not supported")  # [W]
    bracket = "[" if isinstance(value, list) else "{"
    raise ReplyError(f'ERR unsupported arg type: "{bracket}": json.Delim')  # [W]


def _path_command(path: bytes, body: bytes, query: bytes) -> Command:
    # /set/key?EX=10 with a body is SET key <body> EX 10 [D].
    words = [unquote_to_bytes(word) for word in path.split(b"/")]
    pairs = [pair for pair in query.split(b"&") if pair and not pair.startswith(b"_token=")]
    options = [unquote_to_bytes(word.replace(b"+", b" ")) for pair in pairs for word in pair.split(b"=", 1)]
    return [*words, *([body] if body else []), *options]


def _item(reply: Reply, base64: bool) -> dict[str, Any]:
    if isinstance(reply, ReplyError):
        return {"error": in_service_words(reply)}
    return {"result": _shown(reply, base64)}


def _shown(reply: Reply, base64: bool) -> Any:
    """Every string but "OK" is encoded, or else decoded with U+FFFD for what is not UTF-8 [D]."""
    if isinstance(reply, list):
        return [_shown(part, base64) for part in reply]
    if isinstance(reply, ReplyError):
        reply = str(reply).encode()
    if isinstance(reply, bytes) and (reply == b"OK" or not base64):
        return _text(reply)
    return reply  # msgspec writes bytes as base64


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def main() -> None:
    """Run the emulator from the command line."""
    parser = arguments("dousell_cache.local.upstash", "Serve Upstash's REST API in front of a Valkey.")
    parser.add_argument("--valkey-socket", required=True, metavar="PATH", help="unix socket of the Valkey")
    options = parser.parse_args()
    token = os.environ.get(_TOKEN_VARIABLE, "")
    if not token:
        parser.error(f"{_TOKEN_VARIABLE} is not set: put the bearer token that callers must send into it")
    serve(Upstash(ValkeyPool(options.valkey_socket), token), options.port, options.latency)


if __name__ == "__main__":
    main()
