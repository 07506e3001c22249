"""MONITOR's output as a trace: a real server's own, and lines made by hand."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from dousell_cache import Cache, connect, scripts
from dousell_cache.runner import run_blocking
from dousell_cache.tuning.curves import curve
from dousell_cache.tuning.formats import examine, read_trace

if TYPE_CHECKING:
    from .conftest import FreeValkey

HEAD = '1339518083.107412 [0 127.0.0.1:60866] "get" "a"\n'


@contextmanager
def monitored(url: str, path: Path) -> Iterator[Cache]:
    """Give a cache, and leave in a file what MONITOR printed meanwhile."""
    parts = urlsplit(url)
    with (
        connect(url, namespace="n:", patience=5, ttl=60) as cache,
        socket.create_connection((parts.hostname, parts.port), 20) as connection,
        connection.makefile("rb") as lines,
        path.open("wb") as file,
    ):
        connection.sendall(b"MONITOR\r\n")
        file.write(lines.readline())
        yield cache
        run_blocking(cache._port.send("ECHO", "the end"))
        for line in lines:
            file.write(line)
            if b"the end" in line:
                break


def events(path: Path, **options: Any) -> list[tuple[str, str]]:
    """Return operations and keys."""
    trace = examine(path, **options).trace
    return list(zip(trace.operation_names, trace.keys, strict=True))


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (lambda cache: cache.get_or_set("a", lambda: 1), [("read", "n:a")]),
        (lambda cache: [cache.get_or_set("a", lambda: 1) for _ in range(2)], [("read", "n:a")] * 2),
        (lambda cache: cache.get_or_set("a", lambda: 1, grace=60), [("read", "n:a")]),
        (lambda cache: cache.get_many(["a", "b"]), [("read", "n:a"), ("read", "n:b")]),
        (
            lambda cache: (cache.get("a"), cache.invalidate("a", "b")),
            [("read", "n:a"), ("invalidate", "n:a"), ("invalidate", "n:b")],
        ),
        (lambda cache: (cache.get("a"), cache.invalidate("a", soft=True)), [("read", "n:a"), ("invalidate", "n:a")]),
        (
            lambda cache: (cache.get_or_set("a", lambda: 1, tags=["t", "u"]), cache.invalidate_tags("u")),
            [("read", "n:a"), ("invalidate", "n:a")],
        ),
        (lambda cache: [cache.get_or_set("a", lambda: 1, tags=["t"]) for _ in range(2)], [("read", "n:a")] * 2),
        (lambda cache: (cache.get("a"), cache.lock("l").acquire().release()), [("read", "n:a")]),
    ],
)
def test_this_packages_own_commands_are_understood(
    free_valkey: "FreeValkey", tmp_path: Path, act: Callable[[Cache], object], told: list[tuple[str, str]]
) -> None:
    """Each call of a cache is one read or withdrawal of its keys, whatever commands and scripts it took."""
    path = tmp_path / "monitor.log"
    with monitored(free_valkey.url, path) as cache:
        act(cache)
    assert events(path) == told


def test_this_packages_own_writes_are_writes(free_valkey: "FreeValkey", tmp_path: Path) -> None:
    """What set stores is a fill or a change as the caller says, like the SET of others; loads are not asked about."""
    path = tmp_path / "monitor.log"
    with monitored(free_valkey.url, path) as cache:
        cache.get_or_set("a", lambda: 1)
        cache.set_many({"a": 2, "b": 2}, tags=["t"])
    with pytest.raises(ValueError, match=r"has writes \(2 set of this package\) that may be the fills"):
        examine(path)
    assert events(path, writes="fills") == [("read", "n:a")]
    assert events(path, writes="changes") == [("read", "n:a"), ("invalidate", "n:a"), ("invalidate", "n:b")]


def test_a_flush_is_of_one_database(tmp_path: Path) -> None:
    """FLUSHDB withdraws what was met in its own database, the first one included, whatever the keys are called."""
    path = tmp_path / "monitor.log"
    for database, flushed in ((0, ["a", "c/d"]), (1, ["1/b"]), (2, [])):
        path.write_text(
            HEAD
            + '1339518084.1 [1 10.0.0.1:1] "GET" "b"\n'
            + '1339518084.2 [0 10.0.0.1:1] "GET" "c/d"\n'
            + f'1339518084.3 [{database} 10.0.0.1:1] "FLUSHDB"\n'
        )
        assert events(path)[3:] == [("invalidate", key) for key in flushed]


def test_foreign_commands(tmp_path: Path) -> None:
    """Reads and deletions of any client count, and what else there was is counted by name."""
    path = tmp_path / "monitor.log"
    path.write_text(
        HEAD
        + '1339518084.6 [1 10.0.0.1:1] "MGET" "b:\\"x\\"" "c\\xc3\\xa9\\n"\n'
        + '1339518084.6 [0 lua] "GET" "a"\n'
        + '1339518084.7 [0 unix:/run/redis.sock] "HGETALL" "h"\n'
        + '1339518085.0 [0 10.0.0.1:1] "unlink" "a"\n'
        + '1339518085.5 [0 10.0.0.1:1] "GETDEL" "d"\n'
        + '1339518086.0 [0 10.0.0.1:1] "FLUSHALL"\n'
    )
    trace, notes = examine(path)
    assert events(path) == [
        ("read", "a"),
        ("read", '1/b:"x"'),
        ("read", "1/cé\n"),
        ("invalidate", "a"),
        ("read", "d"),
        ("invalidate", "d"),
        ("invalidate", "a"),
        ("invalidate", '1/b:"x"'),
        ("invalidate", "1/cé\n"),
        ("invalidate", "d"),
    ]
    assert trace.times.tolist()[:2] == [1339518083.107412, 1339518084.6]
    assert notes[0] == "commands that are neither reads nor withdrawals were left out: 1 HGETALL"


def test_a_client_may_have_any_address(tmp_path: Path) -> None:
    """Clients over IPv6 and sockets, whose addresses have brackets of their own, are read like others."""
    path = tmp_path / "monitor.log"
    sources = ("[::1]:53000", "[fe80::1%eth0]:1", "unix:/run/a[1].sock", "10.0.0.1:1")
    path.write_text("".join(f'1339518083.5 [0 {source}] "get" "a] \\"b\\""\n' for source in sources))
    assert events(path) == [("read", 'a] "b"')] * len(sources)


@pytest.mark.parametrize("words", ['"x"', '"5" "a"', '"-1" "a"', '"1.5" "a"', ""])
@pytest.mark.parametrize("command", ["eval", "EVALSHA"])
def test_a_script_that_the_server_refuses_is_left_out(tmp_path: Path, command: str, words: str) -> None:
    """MONITOR prints scripts with a number of keys that makes no sense too: they did nothing, and are counted."""
    path = tmp_path / "monitor.log"
    path.write_text(HEAD + f'1339518084.5 [0 10.0.0.1:1] "{command}" "{scripts.READ.sha}" {words}'.rstrip() + "\n")
    assert events(path) == [("read", "a")]
    assert examine(path).notes[0].endswith(f"left out: 1 {command.upper()}")


WRITTEN = (
    HEAD
    + '1339518084.5 [0 10.0.0.1:1] "SET" "a" "1" "EX" "60"\n'
    + '1339518084.6 [1 10.0.0.1:1] "mset" "b" "1" "c" "2"\n'
    + '1339518084.7 [0 10.0.0.1:1] "set" "lock:a" "nx" "PX" "100" "nx"\n'
    + '1339518084.8 [0 10.0.0.1:1] "SETEX" "a" "60" "2"\n'
)


@pytest.mark.parametrize(
    ("writes", "changed", "told"),
    [
        ("fills", [], ["left out: 2 MSET, 1 SET, 1 SETEX, 1 SET NX"]),
        ("changes", ["a", "1/b", "1/c", "a"], ["left out: 1 SET NX", "of the data: 2 MSET, 1 SET, 1 SETEX"]),
    ],
)
def test_writes_are_what_they_are_said_to_be(tmp_path: Path, writes: str, changed: list[str], told: list[str]) -> None:
    """A SET is a fill or a change as the caller says, as in a CSV file; where nothing may be it is a fill."""
    path = tmp_path / "monitor.log"
    path.write_text(WRITTEN)
    assert events(path, writes=writes) == [("read", "a"), *(("invalidate", key) for key in changed)]
    notes = examine(path, writes=writes).notes  # type: ignore[arg-type]  # one of the literals
    assert [end for note, end in zip(notes, told, strict=False) if note.endswith(end)] == told
    assert notes[len(told) :] == ("reads that a process answered itself are not in it",)


def test_writes_that_may_be_either_are_asked_for(tmp_path: Path) -> None:
    """A log with a SET is no trace before it was said what that is: neither hits nor misses are in it."""
    path = tmp_path / "monitor.log"
    path.write_text(WRITTEN)
    with pytest.raises(ValueError, match=r"has writes \(2 MSET, 1 SET, 1 SETEX\) that may be the fills"):
        examine(path)


def test_a_withdrawal_of_several_keys_is_one_command(tmp_path: Path) -> None:
    """A DEL of two keys counts once, beside the look and the two commands of each load."""
    path = tmp_path / "monitor.txt"
    lines = ['"MGET" "a:1" "a:2"', '"DEL" "a:1" "a:2"', '"MGET" "a:1" "a:2"']
    path.write_text("".join(f"170000000{n}.0 [0 127.0.0.1:5000] {line}\n" for n, line in enumerate(lines)))
    assert curve(read_trace(path), [60]).commands[0] == 4 + 2 * 4 + 1


def test_a_last_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    """MONITOR is ended by Ctrl-C, often within a line: the rest is read."""
    path = tmp_path / "monitor.log"
    path.write_text(HEAD + '1339518084.5 [0 10.0.0.1:1] "get" "hal')
    assert events(path) == [("read", "a")]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (HEAD + "nonsense\n", "line 2, is none that MONITOR prints: 'nonsense'"),
        (HEAD + '1339518084.5 [0 10.0.0.1:1] "\\"\n', "line 2, is none that MONITOR prints: '1339518084"),
        (HEAD + HEAD.replace("083", "082"), "line 2, is earlier than the one above it"),
        (HEAD.replace("get", "ping"), "has no GET, GETEX or MGET in it"),
    ],
)
def test_a_line_without_sense_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    """A line of something else, a clock that went back, or a log without reads is refused in one sentence."""
    path = tmp_path / "monitor.log"
    path.write_text(text)
    with pytest.raises(ValueError, match=sentence):
        read_trace(path)


def test_lines_out_of_order_can_be_sorted(tmp_path: Path) -> None:
    """Asked to, it puts lines in order."""
    path = tmp_path / "monitor.log"
    path.write_text(HEAD + HEAD.replace("083", "082").replace('"a"', '"b"'))
    assert list(read_trace(path, sort=True).keys) == ["b", "a"]
