"""Credentials and private paths do not get past the redactor."""

import json
from pathlib import Path

import msgspec
import pytest

from dousell_cache.measure.stats import Interval
from dousell_cache.reporting.redact import MASK, redacted, redactor

from .reports import made_up, measured

CANARY = 'c4n4ry-p@ss"wörd\\x'


@pytest.mark.parametrize(
    "variable",
    [
        "UPSTASH_REDIS_REST_TOKEN",
        "KV_REST_API_TOKEN",
        "SUPABASE_KEY",
        "SUPABASE_SERVICE_ROLE_KEY",
        "PGPASSWORD",
        "PAYDUNYA_PRIVATE_KEY",
        "MY_SECRET",
        "GOOGLE_CREDENTIALS",
    ],
)
def test_a_credential_is_masked(variable: str) -> None:
    """The value of a variable that is named like a credential is taken out of any text, of JSON too."""
    redact = redactor({variable: CANARY})
    assert redact(f"it is {CANARY}!") == f"it is {MASK}!"
    assert json.loads(redact(json.dumps({"said": CANARY}))) == {"said": MASK}


def test_a_password_in_a_url_is_masked() -> None:
    """So is the password inside a URL variable, quoted and unquoted, wherever it turns up."""
    redact = redactor({"REDIS_URL": "rediss://default:p%40ssw0rd-of-ours@cache.example:6380/0"})
    assert redact("wrong password p@ssw0rd-of-ours") == f"wrong password {MASK}"
    assert redact("wrong password p%40ssw0rd-of-ours") == f"wrong password {MASK}"


def test_userinfo_of_an_unknown_url_is_masked() -> None:
    """A URL that no variable knows loses its user and password all the same."""
    assert redactor({})("at redis://admin:hunter2@host:6379/0 now") == f"at redis://{MASK}@host:6379/0 now"
    assert redactor({})("at redis://admin:hunt@r2@host:6379/0 now") == f"at redis://{MASK}@host:6379/0 now"


def test_a_document_is_masked_text_by_text() -> None:
    """A secret of digits is masked in every text of a document, however deep, and tears up no number."""
    digits = "412345"
    document = made_up({"local": measured({"hit_rate": Interval(0.412345, 0.4, 0.5, 2_000)})})
    parameters = {"one": {"trace": f"tcp://me:{digits}@host:8786/{digits}", "requests": 412_345}}
    document = msgspec.structs.replace(document, run=msgspec.structs.replace(document.run, parameters=parameters))
    safe = redacted(document, redactor({"MY_TOKEN": digits}))
    assert safe.run.parameters == {"one": {"trace": f"tcp://{MASK}@host:8786/{MASK}", "requests": 412_345}}
    assert safe.environments == document.environments


def test_the_home_folder_is_a_tilde(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Paths do not tell the user's name; other folders that begin alike stay as they are."""
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert redactor({})(f"{tmp_path}/x {tmp_path}2/x") == f"~/x {tmp_path}2/x"


def test_ordinary_values_stay() -> None:
    """Short, public and empty values are no secrets, and text without any is unchanged."""
    environ = {
        "TOKEN": "abc",
        "EMPTY_KEY": "",
        "SSH_KEY": "/srv/me/.ssh/id",
        "KV_REST_API_URL": "https://eu1.upstash.io",
    }
    text = "abc, https://eu1.upstash.io, /srv/me/.ssh/id, me@example.org, 12:30@noon"
    assert redactor(environ)(text) == text
