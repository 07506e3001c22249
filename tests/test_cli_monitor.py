"""``dousell-cache monitor``: once for cron, live on a terminal, for Prometheus; its exit codes and its complaints."""

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dousell_cache import connect
from dousell_cache.cli import main, monitor
from dousell_cache.errors import installing
from dousell_cache.keys import Names
from dousell_cache.local import Cloud
from dousell_cache.monitor import figures
from dousell_cache.recording import hour
from dousell_cache.runner import run_blocking
from dousell_cache.transport.tcp import BlockingTcp

from .faces import Loader

if TYPE_CHECKING:
    from .conftest import FreeValkey

COMMAND = [sys.executable, "-m", "dousell_cache.cli", "monitor"]
NOBODY = "redis://127.0.0.1:1"
Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """Run the command here, and return its exit code, its output and its complaints."""

    def run(*arguments: str) -> tuple[int, str, str]:
        try:
            code = main(["monitor", *arguments])
        except SystemExit as usage:
            code = int(usage.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def read(url: str, namespace: str, *keys: str) -> None:
    """Have a process read keys, and flush what it saw."""
    with connect(url, namespace=namespace, ttl=60, patience=5, figures=True) as cache:
        for key in keys:
            cache.get_or_set(key, Loader(1))


def test_once(said: Said, valkey_url: str, namespace: str) -> None:
    """One look is printed, in 80 columns and without colours where no terminal is, and all is fine."""
    read(valkey_url, namespace, *["detail:1"] * 20)
    code, out, err = said("--url", valkey_url, "--namespace", namespace, "--once")
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    assert "\033" not in out
    assert "95.0 %" in out
    assert re.search(r"detail +20", out)


def test_once_as_json(said: Said, valkey_url: str, namespace: str) -> None:
    """A line of JSON is a whole sample, which the package reads back."""
    read(valkey_url, namespace, "detail:1", "detail:1")
    code, out, _ = said("--url", valkey_url, "--namespace", namespace, "--once", "--json", "--families", "--hours", "2")
    assert code == 0
    sample = figures.decode(out)
    assert (sample.namespace, sample.hours) == (namespace, 2.0)
    whole = sample.of("detail")
    assert whole
    assert whole.outcomes == {"hit": 1, "miss": 1}
    assert sample.server
    assert sample.server.sampled


def test_what_cron_remembers(said: Said, valkey_url: str, namespace: str, tmp_path: Path) -> None:
    """With a state file the second run tells what moved since the first, and that the server's count is explained."""
    arguments = ("--url", valkey_url, "--namespace", namespace, "--once", "--json", "--state", str(tmp_path / "seen"))
    first = figures.decode(said(*arguments)[1])
    read(valkey_url, namespace, "detail:1", "detail:1")
    second, third = (figures.decode(said(*arguments)[1]) for _ in range(2))
    assert (first.delta, first.reconciliation) == (None, None)
    for sample in (second, third):
        assert sample.delta
        assert sample.reconciliation
        assert (sample.reconciliation.application_hits, sample.reconciliation.unexplained) == (1, 0)
    assert second.delta
    assert second.delta.counters["keyspace_hits"] > 0
    assert [path.name for path in tmp_path.iterdir()] == ["seen"]


def test_a_state_for_two_windows(said: Said, valkey_url: str, namespace: str, tmp_path: Path) -> None:
    """What a long window remembers and a short one does not is counted once: each has a memory of its own."""
    write(valkey_url, namespace, {"local:hit:00:a": "40"}, hours=10)
    arguments = ("--url", valkey_url, "--namespace", namespace, "--once", "--json", "--state", str(tmp_path / "seen"))
    for hours in ("24", "1", "24"):
        last = figures.decode(said(*arguments, "--hours", hours)[1])
    assert last.reconciliation
    assert last.reconciliation.application_hits == 0, "nothing was read between the looks"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[]", "holds no state of a monitor"),
        ('{"schema": "dousell-cache/monitor-state", "version": 9, "monitors": {}}', "version 9; this package knows"),
    ],
)
def test_a_state_that_is_none(said: Said, valkey_url: str, tmp_path: Path, text: str, sentence: str) -> None:
    """A file of another kind is neither believed nor overwritten."""
    path = tmp_path / "seen"
    path.write_text(text)
    code, _, err = said("--url", valkey_url, "--once", "--state", str(path))
    assert (code, path.read_text()) == (2, text)
    assert sentence in err
    assert said("--url", valkey_url, "--once", "--state", str(tmp_path / "no" / "folder"))[0] == 2


def test_a_line_for_each_environment(said: Said, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several environments are looked at in turn; what is emulated says so."""
    monkeypatch.setenv("REDIS_URL", cloud.valkey_url)
    code, out, _ = said("--env", "dedicated,vercel", "--once", "--json")
    samples = [figures.decode(line) for line in out.splitlines()]
    assert code == 0
    assert [(sample.environment, bool(sample.emulated)) for sample in samples] == [
        ("dedicated", False),
        ("vercel", True),
    ]


def test_a_server_that_cannot_be_seen(said: Said) -> None:
    """It is told why, on a page as in JSON, and the code is 4."""
    code, out, _ = said("--url", NOBODY, "--once", "--json")
    assert code == 4
    assert "nothing listens at" in json.loads(out)["problem"]
    code, out, _ = said("--url", NOBODY, "--once")
    assert code == 4
    assert "cannot be seen" in out


def test_a_target_that_was_missed(said: Said, valkey_url: str, namespace: str) -> None:
    """When a whole interval misses its target the code is 1, and cron hears of it."""
    counts = {"miss": "40", "hit": "60"}
    write(valkey_url, namespace, {f"local:{end}:{at:02d}:a": n for end, n in counts.items() for at in range(0, 60, 2)})
    code, out, _ = said("--url", valkey_url, "--namespace", namespace, "--once", "--hours", "2")
    assert "60.0 %" in out
    assert code == 1


def write(url: str, namespace: str, fields: dict[str, str], hours: int = 1) -> None:
    """Write fields of a full hour, by default the last, as many processes would have flushed them."""
    words = [word for pair in fields.items() for word in pair]
    client = BlockingTcp(url, patience=5)
    run_blocking(client.send("HSET", Names(namespace).figures(hour(time.time() - hours * 3600)), *words))
    client.close()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--every", "0"), "--every must be 0.2 to 86400 seconds, not 0"),
        (("--hours", "999"), "hours must be more than 0 and at most 168"),
        (("--serve", "nonsense"), "--serve must be a port, or a host and a port such as 0.0.0.0:9121, not 'nonsense'"),
        (("--serve", "99999"), "--serve must be a port"),
        (("--state", "seen"), "--state is what one --once leaves for the next"),
        (("--serve", "0", "--once"), "--serve answers Prometheus: it goes with neither --once nor --json"),
    ],
)
def test_wrong_usage(said: Said, valkey_url: str, arguments: tuple[str, ...], sentence: str) -> None:
    """What makes no sense is named in a sentence, with the code for usage."""
    code, _, err = said("--url", valkey_url, *arguments)
    assert code == 2
    assert sentence in err


def test_an_unknown_environment(said: Said) -> None:
    """A name that is none is told, with the nearest there is."""
    code, _, err = said("--env", "verzel", "--once")
    assert code == 2
    assert 'no environment "verzel"' in err
    assert "vercel" in err


def test_a_port_that_is_taken(said: Said, valkey_url: str) -> None:
    """Where something else listens, it says so instead of a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, _, err = said("--url", valkey_url, "--serve", str(taken.getsockname()[1]))
    assert code == 2
    assert "in use" in err


def test_without_the_extra(said: Said, valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where prometheus-client is not installed, the extra that brings it is named."""
    for name in [
        name for name in sys.modules if name.startswith(("prometheus_client", "dousell_cache.monitor.exporter"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    code, _, err = said("--url", valkey_url, "--serve", "0")
    assert code == 2
    assert installing("prometheus") in err


def test_it_serves_prometheus_until_it_is_told_to_end(free_valkey: "FreeValkey") -> None:
    """The address is told, the page is Prometheus', a dead server is a metric, and Ctrl-C ends it with 130."""
    with subprocess.Popen(
        [*COMMAND, "--url", free_valkey.url, "--serve", "0"], stdout=subprocess.PIPE, text=True
    ) as serving:
        assert serving.stdout
        told = serving.stdout.readline()
        page = urlopen(told.split()[0], timeout=20).read().decode()  # noqa: S310 - our own, on loopback
        serving.send_signal(signal.SIGINT)
        assert serving.wait(20) == 130
    parsed = {family.name: family for family in text_string_to_metric_families(page)}
    assert [sample.value for sample in parsed["dousell_cache_server_up"].samples] == [1.0]
    assert told.startswith("http://127.0.0.1:")


def test_live_in_a_pipe(said: Said, valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal look follows look, a line each as JSON, until Ctrl-C."""
    pauses = iter((7.0, 7.0))

    def sleep(seconds: float) -> None:
        if next(pauses, None) != seconds:
            raise KeyboardInterrupt

    monkeypatch.setattr(monitor, "time", SimpleNamespace(sleep=sleep))
    code, out, _ = said("--url", valkey_url, "--json", "--every", "7")
    first, *others = map(figures.decode, out.splitlines())
    assert (code, first.delta, len(others)) == (130, None, 2)
    assert all(sample.delta and sample.reconciliation for sample in others)


def test_live_on_a_terminal(free_valkey: "FreeValkey") -> None:
    """On a terminal the page is drawn in place, and Ctrl-C gives the terminal back."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "40"}
    command = [*COMMAND, "--url", free_valkey.url, "--every", "0.2"]
    with subprocess.Popen(command, stdout=theirs, env=environment) as looking:
        os.close(theirs)
        shown = b""
        while shown.count(b"Valkey") < 2:
            assert select.select([ours], [], [], 20)[0], "nothing more is drawn"
            shown += os.read(ours, 65536)
        looking.send_signal(signal.SIGINT)
        while looking.poll() is None or select.select([ours], [], [], 0)[0]:
            if select.select([ours], [], [], 0.05)[0]:
                try:
                    shown += os.read(ours, 65536)
                except OSError:  # its end of the terminal is closed
                    break
        assert looking.wait(20) == 130
    os.close(ours)
    assert b"\033[?1049h" in shown, "an alternate screen"
    assert b"\033[?1049l" in shown, "and back"
