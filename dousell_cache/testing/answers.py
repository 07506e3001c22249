"""What a server that cannot serve answers, word for word: by the name of the fault."""

import json

RESP_ERRORS = {
    "LOADING": b"-LOADING Redis is loading the dataset in memory\r\n",
    "READONLY": b"-READONLY You can't write against a read only replica.\r\n",
    "NOAUTH": b"-NOAUTH Authentication required.\r\n",
    "OOM": b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
    "MISCONF": b"-MISCONF Errors writing to the AOF file: No space left on device\r\n",
}


def _http(status: str, body: bytes, kind: str = "application/json") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def _http_error(status: str, text: str) -> bytes:
    return _http(status, json.dumps({"error": text}).encode())


HTTP_ANSWERS = {
    "401": _http_error("401 Unauthorized", "WRONGPASS invalid or missing auth token"),
    "429": _http_error("429 Too Many Requests", "Too Many Requests"),
    "500": _http_error("500 Internal Server Error", "Internal Server Error"),
    "html": _http("200 OK", b"<html><body>It works!</body></html>", "text/html"),
    "truncated-json": _http("200 OK", b'{"result": "abc'),
}
