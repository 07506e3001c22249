"""What must not be written into a report: credentials, and paths that name this machine's user.

Nothing in this package puts a credential into a message; but a notebook may print what it likes, and a foreign client's
exception may quote its URL. So every text on its way into a report comes through here.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import msgspec

MASK = "•••"

_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|PRIVATE|(^|_)(KEY|APIKEY|PWD|AUTH)($|_)", re.IGNORECASE)
_USERINFO = re.compile(r"(?<=://)[^\s/\"'<>\\]+(?=@)")  # up to the last @: a password may hold one
_Document = TypeVar("_Document")
_SHORTEST = 6  # masking a shorter value would mask half of the text, and it is no secret


def redactor(environ: Mapping[str, str] | None = None) -> Callable[[str], str]:
    """Return the function that takes credentials and private paths out of a text.

    Args:
        environ: where the credentials are known from; default: the process's environment variables.
    """
    secrets = _secrets(os.environ if environ is None else environ)
    home = _home()

    def redact(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, MASK)
        text = home.sub("~", text) if home else text
        return _USERINFO.sub(MASK, text)

    return redact


def redacted(document: _Document, redact: Callable[[str], str]) -> _Document:
    """Return a document whose texts all came through the redactor: the last thing before it is written.

    Text by text, since a secret made of digits would tear up a number in its JSON.

    Args:
        document: a struct, of structs, lists and mappings.
        redact: takes credentials and private paths out of a text.
    """
    return msgspec.convert(_redacted(msgspec.to_builtins(document), redact), type(document))


def _redacted(part: Any, redact: Callable[[str], str]) -> Any:
    match part:
        case str():
            return redact(part)
        case list():
            return [_redacted(one, redact) for one in part]
        case dict():
            return {name: _redacted(one, redact) for name, one in part.items()}
    return part


def _secrets(environ: Mapping[str, str]) -> list[str]:
    found = set()
    for name, value in environ.items():
        if "WEBHOOK" in name.upper() or (
            _SECRET_NAME.search(name) and not value.startswith(("/", "http://", "https://"))
        ):
            found.add(value)  # whoever knows the address of a webhook may post there
        found.add(_password(value))
    spellings = {form for secret in found for form in (secret, unquote(secret), json.dumps(secret)[1:-1])}
    # Longest first, so that a secret that contains another is masked whole.
    return sorted((secret for secret in spellings if len(secret) >= _SHORTEST), key=len, reverse=True)


def _password(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:
        return ""


def _home() -> re.Pattern[str] | None:
    home = str(Path.home())
    spellings = {path for path in (home, os.path.realpath(home)) if len(path) > 1}
    return re.compile(rf"(?:{'|'.join(map(re.escape, spellings))})(?![\w.-])") if spellings else None
