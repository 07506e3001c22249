"""Where a command and its reply end in a stream of bytes, for two protocols; pure, and no more of them than that."""

import re

_BULK = b"$=!"
_AGGREGATES = {b"*": 1, b"~": 1, b">": 1, b"%": 2}
_LINES = b"+-:_#,("
_LENGTH = re.compile(rb"^content-length:\s*(\d+)\s*$", re.IGNORECASE | re.MULTILINE)


def resp_end(data: bytes) -> int:
    """Return the length of the first whole RESP2 or RESP3 message, 0 while there is none; TLS and the like are one."""
    return _resp_end(data, 0)


def http_end(data: bytes) -> int:
    """Return the length of the first whole HTTP message, 0 while there is none; TLS records are one."""
    if data[:1] in (b"\x16", b"\x15", b"\x17"):
        return len(data)
    head, separator, _ = data.partition(b"\r\n\r\n")
    if not separator:
        return 0
    length = _LENGTH.search(head.replace(b"\r", b""))
    end = len(head) + len(separator) + (int(length[1]) if length else 0)
    return end if len(data) >= end else 0


def _resp_end(data: bytes, start: int) -> int:
    kind = data[start : start + 1]
    if not kind:
        return 0
    if kind not in _BULK + _LINES and kind not in _AGGREGATES:
        return len(data)
    line = data.find(b"\r\n", start) + 2
    if line < 2:
        return 0
    if kind in _LINES:
        return line
    size = int(data[start + 1 : line - 2])
    if kind in _BULK:
        end = line + max(0, size + 2) if size >= 0 else line
        return end if len(data) >= end else 0
    for _ in range(size * _AGGREGATES[kind]):
        line = _resp_end(data, line)
        if not line:
            return 0
    return line
