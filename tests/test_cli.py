"""The command: its exit codes, its words on a terminal and in a pipe, and its JSON."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest

import dousell_cache
from dousell_cache import connect
from dousell_cache.cli import main
from dousell_cache.errors import installing
from dousell_cache.local import Cloud, process
from dousell_cache.runner import run_blocking

from .servers import listening, silence

if TYPE_CHECKING:
    from .conftest import FreeValkey

VARIABLES = (
    "VERCEL",
    "REDIS_URL",
    "VALKEY_URL",
    "UPSTASH_REDIS_REST_URL",
    "UPSTASH_REDIS_REST_TOKEN",
    "KV_REST_API_URL",
    "KV_REST_API_TOKEN",
)
NAMES = ["connection", "SET", "GET", "EXISTS", "DEL", "cache-aside", "one payment at a time"]
FINDINGS = ["server", "eviction", "persistence", "replicas", "clock", "so, for locks", "so, for the cache"]
NOBODY = "redis://127.0.0.1:1"


@pytest.fixture(autouse=True)
def bare(tmp_path: Path) -> Iterator[None]:
    """An empty folder and no variable of ours; what a .env file then sets does not outlive the test."""
    with patch.dict(os.environ), chdir(tmp_path):
        for variable in VARIABLES:
            os.environ.pop(variable, None)
        yield


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command here, and return its exit code, its output and its complaints."""

    def run(*arguments: str) -> tuple[int, str, str]:
        try:
            code = main(arguments)
        except SystemExit as usage:
            code = int(usage.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return run


Said = Callable[..., tuple[int, str, str]]


def command(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[bytes]":
    """Run the command as a program of its own, with a pipe for its output."""
    program = [sys.executable, "-W", "error", "-m", "dousell_cache.cli", *arguments]
    return subprocess.run(program, env=os.environ | variables, capture_output=True, check=False)


# --- check


def test_check_passes(said: Said, valkey_url: str) -> None:
    """Where the cache is well: a line that says where, one a step, a total, the audit's own, and exit code 0."""
    code, out, err = said("check", "--url", valkey_url)
    place, *steps = out.splitlines()
    steps, total, audit = steps[:7], steps[7], steps[8:]
    assert (code, err) == (0, "")
    assert place == f"local (by --url): TCP at {valkey_url}"
    assert [line[4:26].strip() for line in steps] == NAMES
    assert {line[:4] for line in steps} == {"  ✓ "}
    assert total == "7 of 7 passed"
    assert audit[0] == "what the server means for locks and the cache:"
    assert [line[4:27].strip() for line in audit[1:]] == FINDINGS
    assert "  · persistence            none: a restart forgets every held lock" in audit[3]
    assert audit[6].startswith(
        "    so, for locks          One server, no persistence: a restart may forget a held lock;"
    )


def test_a_warning_fails_nothing(said: Said, free_valkey: "FreeValkey") -> None:
    """A server that evicts is warned of, in words and as JSON, with exit code 0."""
    with connect(free_valkey.url, patience=5) as admin:
        settings = ("maxmemory", "100mb", "maxmemory-policy", "volatile-lru")
        run_blocking(admin._transport.send("CONFIG", "SET", *settings))
    code, out, _ = said("check", "--url", free_valkey.url)
    assert code == 0
    assert "  ! eviction               volatile-lru, limit 100 MiB: keys with a time to live are evicted" in out
    code, out, _ = said("check", "--url", free_valkey.url, "--json")
    eviction = json.loads(out)["audit"]["findings"][1]
    assert (code, eviction["level"], eviction["value"]) == (0, "warning", "volatile-lru, limit 100 MiB")


def test_check_of_the_emulator(said: Said) -> None:
    """Where the local emulator stands in for the service, the audit says whose server it speaks of."""
    code, out, _ = said("check", "--env", "vercel")
    assert code == 0
    assert "what the server means for locks and the cache (the emulator's, not the service's):" in out.splitlines()


def test_check_asks_the_variables(said: Said, valkey_url: str, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an argument the environment variables decide: first a dedicated server, then Vercel."""
    monkeypatch.setenv("REDIS_URL", valkey_url)
    code, out, _ = said("check")
    assert (code, out.splitlines()[0]) == (0, f"dedicated: TCP at {valkey_url}")
    monkeypatch.setenv("VERCEL", "1")
    monkeypatch.setenv("UPSTASH_REDIS_REST_URL", cloud.upstash_url)
    monkeypatch.setenv("UPSTASH_REDIS_REST_TOKEN", cloud.upstash_token)
    code, out, _ = said("check")
    assert (code, out.splitlines()[0]) == (0, f"vercel: Upstash REST at {cloud.upstash_url}")
    code, out, _ = said("check", "--env", "dedicated")
    assert (code, out.splitlines()[0]) == (0, f"dedicated: TCP at {valkey_url}")
    code, out, _ = said("check", "--env", "vercel")
    assert (code, out.splitlines()[0]) == (0, f"vercel: Upstash REST at {cloud.upstash_url}")
    assert "emulated" not in out


def test_check_on_a_bare_laptop(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing listens, the embedded Valkey is tested, by default and by name."""
    (port,) = process.free_ports(1)
    for module in ("environments", "transport.connect", "dousell.site"):
        monkeypatch.setattr(f"dousell_cache.{module}.LOCAL_URL", f"redis://localhost:{port}")
    for arguments in ([], ["--env", "local"]):
        code, out, _ = said("check", *arguments)
        assert code == 0
        assert out.startswith("local: embedded Valkey at redis://127.0.0.1:")


def test_check_of_nobody(said: Said) -> None:
    """A cache that cannot be reached: one failed line with the reason, what was not tried, and exit code 4."""
    code, out, err = said("check", "--url", NOBODY)
    assert (code, err) == (4, "")
    assert out.splitlines() == [
        f"local (by --url): TCP at {NOBODY}",
        f"  ✗ connection             nothing listens at {NOBODY}: start the server or check the URL",
        "0 of 7 passed; the rest was not tried",
    ]


def test_check_of_a_silent_server(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that never answers is given up, and cannot be reached."""
    monkeypatch.setattr("dousell_cache.check.PATIENCE", 0.2)
    with listening(silence) as server:
        code, out, _ = said("check", "--url", f"redis://{server.address}")
    assert code == 4
    assert f"no answer from redis://{server.address}" in out
    assert server.connections == 1


def test_check_of_a_server_that_is_no_cache(said: Said, free_valkey: "FreeValkey") -> None:
    """A server that is reached and does not do what a cache does: exit code 1, in words and as JSON."""
    with connect(free_valkey.url, patience=5) as admin:
        run_blocking(admin._transport.send("ACL", "SETUSER", "reader", "on", ">canary", "~*", "+get", "+ping"))
    url = free_valkey.url.replace("redis://", "redis://reader:canary@")
    code, out, err = said("check", "--url", url)
    assert code == 1
    assert out.splitlines()[3] == "1 of 7 passed; the rest was not tried"
    assert "INFO, CONFIG GET not answered" in out
    code, document, _ = said("check", "--url", url, "--json")
    assert (code, json.loads(document)["passed"]) == (1, 1)
    assert "canary" not in out + err + document


def test_check_as_json(said: Said, valkey_url: str) -> None:
    """--json prints one document and nothing else, for a pass as for a failure, with the same exit codes."""
    code, out, err = said("check", "--url", valkey_url, "--json")
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert list(document) == ["schema", "version", "environment", "steps", "passed", "total", "audit"]
    assert (document["schema"], document["version"]) == ("dousell-cache/check", 1)
    assert document["environment"] == {"name": "local", "kind": "tcp", "address": valkey_url, "emulated": ""}
    assert [list(step) for step in document["steps"]] == [["name", "passed", "detail", "ms"]] * 7
    assert [step["name"] for step in document["steps"]] == NAMES
    assert (document["passed"], document["total"]) == (7, 7)
    assert [list(finding) for finding in document["audit"]["findings"]] == [["name", "value", "level", "meaning"]] * 5
    assert list(document["audit"]["guarantee"]) == ["locks", "cache"]
    code, out, err = said("check", "--url", NOBODY, "--json")
    document = json.loads(out)
    assert (code, err) == (4, "")
    assert [step["passed"] for step in document["steps"]] == [False]
    assert (document["passed"], document["total"], document["audit"]) == (0, 7, None)


# --- wrong usage


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["check", "--env", "vercell"], 'there is no environment "vercell": did you mean "vercel"?'),
        (["check", "--env", "Local"], 'there is no environment "Local": did you mean "local"?'),
        (["check", "--env", "zzz"], 'there is no environment "zzz": there are local, vercel, dedicated'),
        (["check", "--env", ""], 'there is no environment "": there are local, vercel, dedicated'),
        (
            ["check", "--env", "dedicated"],
            "REDIS_URL is not set: it says where the dedicated server's Valkey or Redis is",
        ),
        (["check", "--url", "localhost:6379"], "the cache URL must start with one of redis://"),
        (["check", "--url", "redis://:canary@h:port"], "the cache URL is not a URL: check its host, port and brackets"),
        (["check", "--url", "https://h"], "a REST URL needs its token: set VERCEL=1"),
        (["check", "--url", "redis://h?canary=1"], "redis-py does not accept the cache URL: check its port"),
    ],
)
def test_a_wrong_parameter(said: Said, arguments: list[str], sentence: str) -> None:
    """A name or URL that makes no sense: one sentence that says what would, exit code 2, and nothing on the output."""
    code, out, err = said(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"dousell-cache: {sentence}")
    assert err.count("\n") == 1
    assert "canary" not in err


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"REDIS_URL": "localhost"}, "REDIS_URL must start with one of"),
        ({"VERCEL": "1"}, "VERCEL=1 needs UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN"),
        ({"VERCEL": "1", "KV_REST_API_TOKEN": "canary"}, "KV_REST_API_URL is not set although KV_REST_API_TOKEN is"),
    ],
)
def test_a_wrong_variable(
    said: Said, variables: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A half-configured environment: one sentence that names the variable, and exit code 2."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    code, out, err = said("check")
    assert (code, out) == (2, "")
    assert err.startswith(f"dousell-cache: {sentence}")
    assert "canary" not in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["chekc"], "invalid choice: 'chekc'"),
        (["check", "--jsno"], "unrecognized arguments: --jsno"),
        (["check", "--env", "local", "--url", NOBODY], "argument --url: not allowed with argument --env"),
        (["check", "--env"], "expected one argument"),
    ],
)
def test_wrong_usage(said: Said, arguments: list[str], told: str) -> None:
    """A command or option that is not there: how it is used, what was wrong, exit code 2."""
    code, out, err = said(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("usage: dousell-cache")
    assert told in err


def test_help_and_version(said: Said) -> None:
    """Help names every command and the exit codes; the version is the package's."""
    code, out, _ = said("--help")
    assert code == 0
    for word in ("check", "report", "local", "Exit codes"):
        assert word in out
    assert said("--version") == (0, f"dousell-cache {dousell_cache.__version__}\n", "")
    assert "Exit codes" in said("check", "--help")[1]


def test_without_the_extra(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """What needs the [lab] extra says so where it is not installed; the plain check does not need it."""
    for module in ("psycopg", "dousell_cache.dousell.site", "dotenv"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    code, out, err = said("check", "--env", "local")
    assert (code, out) == (2, "")
    assert (
        err == f"dousell-cache: dousell-cache check needs the extra [lab], psycopg first of all: {installing('lab')}\n"
    )
    assert said("check", "--url", NOBODY)[0] == 4


# --- the .env file


def test_the_env_file_is_read(said: Said, valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command reads the nearest .env, from the working folder upwards; what is set already wins."""
    (tmp_path / ".env").write_text(f"REDIS_URL={NOBODY}\n")
    (tmp_path / "deeper").mkdir()
    monkeypatch.chdir(tmp_path / "deeper")
    assert said("check")[0] == 4
    monkeypatch.setenv("REDIS_URL", valkey_url)
    assert said("check")[0] == 0


def test_the_library_reads_no_env_file(tmp_path: Path, valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that imports the package is configured by its environment alone."""
    (tmp_path / ".env").write_text("REDIS_URL=nonsense\n")
    monkeypatch.setenv("VALKEY_URL", valkey_url)
    with connect() as cache:
        assert cache.environment.source == "VALKEY_URL"


def test_an_env_file_that_cannot_be_read_is_mentioned(
    said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the extra a .env is not read, and the command says so instead of leaving one to wonder."""
    (tmp_path / ".env").write_text(f"REDIS_URL={NOBODY}\n")
    monkeypatch.setitem(sys.modules, "dotenv", None)
    code, _, err = said("check", "--url", NOBODY)
    assert code == 4
    assert err == f".env is not read, for want of python-dotenv: {installing('lab')}\n"


# --- terminals and pipes


def test_in_a_pipe(valkey_url: str) -> None:
    """Piped, the output has its marks and no colours."""
    done = command("check", "--url", valkey_url, PYTHONIOENCODING="utf-8")
    assert (done.returncode, done.stderr) == (0, b"")
    steps, _, audit = done.stdout.decode().partition("7 of 7 passed\n")
    assert steps.count("  ✓ ") == 7
    assert audit.count("\n") == 1 + len(FINDINGS)
    assert b"\x1b" not in done.stdout


@pytest.mark.parametrize(
    ("host", "shown", "variables"),
    [
        ("dakar-été.invalid", r"dakar-\xe9t\xe9.invalid", {"PYTHONIOENCODING": "ascii"}),
        ("dakar.invalid", "dakar.invalid", {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    ],
)
def test_where_only_ascii_can_be_shown(host: str, shown: str, variables: dict[str, str]) -> None:
    """With LANG=C the marks are words, and no character makes the command fail."""
    done = command("check", "--url", f"redis://{host}", **{"PYTHONIOENCODING": "", **variables})
    assert (done.returncode, done.stderr) == (4, b"")
    place, step, _ = done.stdout.decode("ascii").splitlines()
    assert place == f"dedicated (by --url): TCP at redis://{shown}"
    assert step.startswith("  FAIL connection ")


def test_the_audit_where_only_ascii_can_be_shown(valkey_url: str) -> None:
    """There the findings' marks are words too, and all stand in columns."""
    done = command("check", "--url", valkey_url, PYTHONIOENCODING="ascii")
    lines = done.stdout.decode("ascii").splitlines()[10:]
    assert [line[2:6] for line in lines] == ["ok  ", "ok  ", "note", "ok  ", "ok  ", "    ", "    "]
    assert [line[7:29].strip() for line in lines] == FINDINGS


def test_on_a_terminal(valkey_url: str) -> None:
    """On a terminal the marks are green or red, and the audit's lines no wider than it is."""
    steps, _, audit = terminal("check", "--url", valkey_url).partition("7 of 7 passed")
    assert steps.count("\x1b[32m✓\x1b[0m") == 7
    assert audit.count("\x1b[36m·\x1b[0m") == 1
    assert max(map(len, re.sub(r"\x1b\[\d+m", "", audit).splitlines())) <= 80
    assert f"\r\n{' ' * 27}" in audit
    assert terminal("check", "--url", NOBODY).count("\x1b[31m✗\x1b[0m") == 1


def terminal(*arguments: str) -> str:
    """Run the command on a terminal of its own and return what it shows."""
    ours, its = pty.openpty()
    program = [sys.executable, "-m", "dousell_cache.cli", *arguments]
    environment = os.environ | {"PYTHONIOENCODING": "utf-8", "COLUMNS": "80"}
    with subprocess.Popen(program, stdout=its, stderr=its, stdin=its, env=environment):
        os.close(its)
        shown = b"".join(iter(lambda: _read(ours), b""))
    os.close(ours)
    return shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says EIO when the last program has left the terminal
        return b""


def test_a_reader_that_goes_away_is_no_failure(valkey_url: str) -> None:
    """Into `head`, or anything else that stops reading, the command ends quietly."""
    reading, writing = os.pipe()
    os.close(reading)
    program = [sys.executable, "-m", "dousell_cache.cli", "check", "--url", valkey_url]
    done = subprocess.run(program, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


# --- local


def test_local_runs_until_it_is_told_to_end(cloud: Cloud) -> None:
    """The cloud's variables come first, as JSON on one line; a SIGTERM ends it with 143, and the others keep theirs."""
    options = ["local", "--json", "--cache-latency", "none", "--origin-latency", "none"]
    with subprocess.Popen([sys.executable, "-m", "dousell_cache.cli", *options], stdout=subprocess.PIPE) as running:
        assert running.stdout
        document: dict[str, Any] = json.loads(running.stdout.readline())
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) == 143
    assert (document["schema"], document["version"]) == ("dousell-cache/local", 1)
    variables = document["variables"]
    assert (variables["REDIS_URL"], variables["UPSTASH_REDIS_REST_URL"]) == (cloud.valkey_url, cloud.upstash_url)
    assert document["emulated"] == {"upstash": "no latency added", "supabase": "no latency added"}
    with connect(cloud.valkey_url, patience=5) as cache:
        assert cache.ping() > 0
