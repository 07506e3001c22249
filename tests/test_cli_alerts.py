"""``dousell-cache monitor`` wakes somebody up: once, with the reason, and again when it is over."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import msgspec
import pytest
import redis

from dousell_cache.cli import main
from dousell_cache.cli.alerting import aloud
from dousell_cache.monitor.alert_book import Watch
from dousell_cache.monitor.alert_file import InFile, InMemory
from dousell_cache.monitor.alert_rules import rules
from dousell_cache.monitor.figures import ServerFigures

from .samples import look
from .webhooks import Receiver, receiving

if TYPE_CHECKING:
    from .conftest import FreeValkey

NOBODY = "redis://127.0.0.1:1"
SECRET = "c4n4ry-s3cret"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file for the alerts, in an empty folder where there is no .env file."""
    monkeypatch.chdir(tmp_path)
    for variable in ("DOUSELL_CACHE_WEBHOOK_URL", "DOUSELL_CACHE_WEBHOOK_SECRET", "DOUSELL_CACHE_KPIS"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path / "alerts.json"


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A webhook that the variables name."""
    with receiving() as receiver:
        monkeypatch.setenv("DOUSELL_CACHE_WEBHOOK_URL", receiver.url)
        monkeypatch.setenv("DOUSELL_CACHE_WEBHOOK_SECRET", SECRET)
        yield receiver


def once(url: str, *arguments: str) -> int:
    """Look once, as cron would, and return the exit code."""
    return main(["monitor", "--once", "--url", url, *arguments])


def heard(receiver: Receiver) -> list[tuple[str, str]]:
    """Return what the webhook was told: rule and kind."""
    notices = [json.loads(request.body)["notice"] for request in receiver.received]
    return [(notice["rule"], notice["kind"]) for notice in notices]


@contextmanager
def going_on(*arguments: str, **options: Any) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a monitor that does not end by itself, for the length of a block."""
    command = [sys.executable, "-m", "dousell_cache.cli", "monitor", "--url", NOBODY, *arguments]
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, **options}
    with subprocess.Popen(command, **options) as monitor:
        try:
            yield monitor
        finally:
            monitor.kill()


def said_next(monitor: "subprocess.Popen[bytes]") -> str:
    """Return the next line of its stderr."""
    assert monitor.stderr
    return monitor.stderr.readline().decode()


def stopped(monitor: "subprocess.Popen[bytes]") -> int:
    """Send Ctrl-C, and return the exit code."""
    monitor.send_signal(signal.SIGINT)
    return monitor.wait(20)


def fill(server: "FreeValkey", share: float) -> None:
    """Set the limit of a server's memory so that it uses this share of it."""
    with redis.Redis(port=server.port) as client:
        used = client.info("memory")["used_memory"]
        client.config_set("maxmemory", round(used / share))


def test_a_night_is_told_as_it_was(
    free_valkey: "FreeValkey", state: Path, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    """A memory that fills, a server that dies and comes back: each told once, by code, line and webhook."""
    look = ("--alerts-state", str(state))
    codes = [once(free_valkey.url, *look)]
    fill(free_valkey, 0.93)
    codes += [once(free_valkey.url, *look), once(free_valkey.url, *look)]
    free_valkey.kill()
    codes += [once(free_valkey.url, *look), once(free_valkey.url, *look)]
    free_valkey.restart()
    codes += [once(free_valkey.url, *look)]
    assert codes == [0, 1, 1, 4, 4, 0]
    told = [("memory", "fired"), ("unseen", "fired"), ("unseen", "resolved"), ("memory", "resolved")]
    assert heard(receiver) == told
    out = capsys.readouterr().out
    lines = [line for line in out.splitlines() if line.startswith(("FIRING", "STILL", "RESOLVED"))]
    assert [line.split()[0] for line in lines] == ["FIRING", "FIRING", "RESOLVED", "RESOLVED"]
    assert "Likely cause: " in lines[0]
    assert SECRET not in out + state.read_text()
    assert "c4n4ry" not in out + state.read_text()


def test_a_monitor_that_serves_says_it_unasked(state: Path, receiver: Receiver) -> None:
    """It looks without being scraped, and stderr has the notice and what became of the webhook."""
    receiver.script = [(500, {})] * 99
    with going_on("--serve", "0", "--alerts-state", str(state)) as serving:
        assert said_next(serving).startswith("FIRING local unseen since ")
        assert "notices not delivered yet, to be tried again next time: 1" in said_next(serving)
        assert stopped(serving) == 130
    assert heard(receiver)[:1] == [("unseen", "fired")]


def test_no_scrape_waits_for_the_alerts(state: Path) -> None:
    """While a look waits to say what fires, here for the book, Prometheus has its answer; then it is said."""
    with going_on("--serve", "0", "--alerts-state", str(state), stdout=subprocess.PIPE) as serving:
        with InFile(state).opened():
            assert serving.stdout
            address = serving.stdout.readline().decode().split()[0]
            pages = [urlopen(address, timeout=20).read() for _ in range(2)]  # noqa: S310 - our own, on loopback
            assert not state.exists()
        assert said_next(serving).startswith("FIRING local unseen since ")
        assert stopped(serving) == 130
    assert all(b'dousell_cache_server_up{environment="local"} 0.0' in page for page in pages)


def test_scrapes_hide_no_evictions(capsys: pytest.CaptureFixture[str]) -> None:
    """Who serves is scraped between its own looks: what moved since the last of those is judged, not since a scrape."""
    judged = aloud(Watch(InMemory(), rules()))
    for minute, evicted in ((0, 100), (2, 130)):
        sample = look(minute, evicted=0)  # none since the scrape
        assert sample.server
        node = msgspec.structs.replace(sample.server.nodes[0], counters={"evicted_keys": evicted})
        judged(msgspec.structs.replace(sample, server=ServerFigures(nodes=(node,))))
    assert "FIRING dedicated evictions" in (told := capsys.readouterr().err)
    assert "30 in 120 s" in told


def test_a_live_view_says_it_on_its_page(state: Path, receiver: Receiver) -> None:
    """Nothing is written across the screen: the page has what was said, and stderr, where it is a file, too."""
    receiver.script = [(500, {})] * 99
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200", "LINES": "40"}
    with going_on("--every", "60", "--alerts-state", str(state), stdout=theirs, env=environment) as looking:
        os.close(theirs)
        shown = b""
        while b"not delivered yet" not in shown or select.select([ours], [], [], 0.2)[0]:  # until it is drawn whole
            assert select.select([ours], [], [], 20)[0], "nothing more is drawn"
            shown += os.read(ours, 65536)
        assert said_next(looking).startswith("FIRING local unseen since ")
        looking.send_signal(signal.SIGINT)
        while looking.poll() is None:
            with suppress(OSError):  # its end of the terminal is closed
                if select.select([ours], [], [], 0.05)[0]:
                    os.read(ours, 65536)
        assert looking.returncode == 130
    os.close(ours)
    assert b"FIRING local unseen since " in shown


@pytest.mark.parametrize("how", [["--json"], ["--serve", "0"]])
def test_a_monitor_that_goes_on_outlives_a_full_disk(state: Path, how: list[str]) -> None:
    """What cannot be kept is told at each look, and a later one keeps it."""
    nowhere = state.parent / "nowhere" / "alerts.json"
    with going_on("--every", "0.2", "--alerts-state", str(nowhere), *how) as monitor:
        assert "cannot be written: No such file" in said_next(monitor)
        nowhere.parent.mkdir()
        while not nowhere.exists():
            assert monitor.poll() is None
        assert stopped(monitor) == 130


def test_what_fires_now_is_a_file(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For other programs, whole at every moment; the JSON on stdout has it, too, and nothing else is there."""
    now = tmp_path / "now.json"
    assert once(NOBODY, "--alerts-state", str(state), "--alerts-json", str(now), "--json") == 4
    (place,) = json.loads(now.read_text())["places"]
    (sample,) = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert sample["alerts"] == place["alerts"]
    assert [(alert["name"], alert["firing"]) for alert in place["alerts"]] == [("unseen", True)]


def test_a_webhook_that_fails_is_told_on_stderr(
    state: Path, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without its address; the notice is sent at the next look."""
    receiver.script = [(429, {"Retry-After": "120"})]
    assert once(NOBODY, "--alerts-state", str(state)) == 4
    err = capsys.readouterr().err
    said = "notices not delivered yet, to be tried again next time: 1 (127.0.0.1 answered 429)"
    assert err == f"dousell-cache: {said}\n"
    document = json.loads(state.read_text())
    document["not_before"] = ""  # the two minutes are over
    state.write_text(json.dumps(document))
    assert once(NOBODY, "--alerts-state", str(state)) == 4
    assert heard(receiver) == [("unseen", "fired")] * 2
    assert len(set(receiver.keys)) == 1


def test_without_a_state_nobody_is_told(state: Path, receiver: Receiver, capsys: pytest.CaptureFixture[str]) -> None:
    """Each look would be news: the webhook is left alone, and a sentence says what is missing."""
    assert once(NOBODY) == 4
    assert receiver.received == []
    assert "nobody is told without --alerts-state FILE" in capsys.readouterr().err
    assert not state.exists()


def test_the_alert_level_is_the_kpi_files(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that makes no sense is refused before a look is taken."""
    kpis = tmp_path / "kpis.toml"
    kpis.write_text("[hit_rate]\nalert = 0.95\n")
    assert once(NOBODY, "--kpis", str(kpis), "--alerts-state", str(state)) == 2
    assert "an alert level must be at most its target" in capsys.readouterr().err
    assert not state.exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--remind", "0"], "--remind must be a number of hours above 0, not 0"),
        (["--remind", "nan"], "--remind must be a number of hours above 0, not nan"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str], sentence: str, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and nothing is looked at."""
    assert once(NOBODY, "--alerts-state", str(state), *arguments) == 2
    assert sentence in capsys.readouterr().err
    assert not state.exists()


def test_a_webhook_that_is_none_is_refused(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the name of its variable, without its value."""
    monkeypatch.setenv("DOUSELL_CACHE_WEBHOOK_URL", "http://hooks.example/c4n4ry")
    assert once(NOBODY, "--alerts-state", str(state)) == 2
    err = capsys.readouterr().err
    assert "DOUSELL_CACHE_WEBHOOK_URL must begin with https://" in err
    assert "c4n4ry" not in err


def test_a_state_that_cannot_be_written_is_a_failure(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 3: whoever is not told that nothing is kept would be told everything twice, or nothing."""
    assert once(NOBODY, "--alerts-state", str(state.parent / "nowhere" / "alerts.json")) == 3
    assert "nowhere/alerts.json cannot be written: No such file or directory" in capsys.readouterr().err


def test_an_example_has_the_variables() -> None:
    """``.env.example`` names both."""
    text = (Path(__file__).parents[1] / ".env.example").read_text()
    assert "#DOUSELL_CACHE_WEBHOOK_URL=" in text
    assert "#DOUSELL_CACHE_WEBHOOK_SECRET=" in text
