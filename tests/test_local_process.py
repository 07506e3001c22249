"""Child processes: they live and die as promised."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dousell_cache.errors import CacheUnavailable
from dousell_cache.local import process

from .processes import gone

if TYPE_CHECKING:
    from .conftest import WaitUntil

SH = "/bin/sh"
SLEEPER = [SH, "-c", "echo ready; exec sleep 600"]

PARENT = """
import sys
from pathlib import Path
from dousell_cache.local import process
child = process.spawn("sleeper", ["/bin/sleep", "600"], Path(sys.argv[1]))
print(child.pid, flush=True)
sys.stdin.read()
"""


def _spawn(tmp_path: Path, script: str) -> process.Child:
    return process.spawn("the script", [SH, "-c", script], tmp_path / "log")


def _wrote(child: process.Child) -> bool:
    return bool(child.log.read_text())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_a_child_dies_with_a_parent_that_is_killed(tmp_path: Path, wait_until: "WaitUntil") -> None:
    """SIGKILL to the parent, which can clean up nothing, ends the child."""
    command = [sys.executable, "-c", PARENT, str(tmp_path / "log")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        assert not gone(pid)
        parent.kill()
    wait_until(lambda: gone(pid))


def test_a_child_whose_parent_is_gone_before_it_begins_does_not_begin(tmp_path: Path) -> None:
    """The window between fork and the parent-death signal is closed: the program is never run."""
    stranger = str(os.getpid())  # not the parent of what the shell spawns
    shim = [sys.executable, "-I", "-S", str(process.__file__).replace("process.py", "lifeline.py"), stranger]
    script = '"$@"; exit $?'
    done = subprocess.run(
        [SH, "-c", script, "sh", *shim, "9", "-1", "-1", "/usr/bin/touch", str(tmp_path / "ran")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "the parent ended before its child began" in done.stderr
    assert not (tmp_path / "ran").exists()


def test_a_child_has_its_own_session(tmp_path: Path) -> None:
    """An interrupt to the caller's process group cannot reach it."""
    child = process.spawn("sleeper", SLEEPER, tmp_path / "log")
    try:
        assert os.getsid(child.pid) == child.pid
    finally:
        process.stop_all([child])


def test_a_child_that_ends_early_is_reported_at_once_with_its_last_words(tmp_path: Path) -> None:
    """Nobody waits for the deadline of a program that is already dead."""
    child = _spawn(tmp_path, "echo no such luck; exit 3")
    with pytest.raises(CacheUnavailable, match="the script ended before it was ready: no such luck"):
        child.wait_ready(lambda: False, 600)


def test_a_child_that_is_never_ready_is_reported_after_the_deadline(tmp_path: Path, wait_until: "WaitUntil") -> None:
    """The message names the deadline and ends with the log."""
    child = process.spawn("sleeper", SLEEPER, tmp_path / "log")
    try:
        wait_until(lambda: _wrote(child))
        with pytest.raises(CacheUnavailable, match=r"sleeper was not ready after 0\.01 s: ready"):
            child.wait_ready(lambda: False, 0.01)
    finally:
        process.stop_all([child])


def test_an_answer_for_a_dead_child_does_not_count(tmp_path: Path) -> None:
    """A stranger on the same port may answer the probe: the child must be alive as well."""
    child = _spawn(tmp_path, "exit 1")
    child.popen.wait()
    with pytest.raises(CacheUnavailable, match="it said nothing"):
        child.wait_ready(lambda: True, 1)


@pytest.mark.parametrize("words", ["Address already in use", "resource busy (Address in use)"])
def test_a_taken_port_is_told_from_other_failures(tmp_path: Path, words: str) -> None:
    """Both wordings that our servers have for a bind clash invite another try."""
    child = _spawn(tmp_path, f"echo 'bind: {words}'; exit 1")
    with pytest.raises(process.PortTaken):
        child.wait_ready(lambda: False, 600)


def test_a_program_that_must_end_well_is_held_to_it(tmp_path: Path) -> None:
    """A failure carries the program's words."""
    with pytest.raises(CacheUnavailable, match="the script failed: broken"):
        _spawn(tmp_path, "echo broken; exit 1").wait_done(60)


def test_a_program_that_does_not_end_is_given_up(tmp_path: Path) -> None:
    """The deadline of wait_done is kept."""
    child = process.spawn("sleeper", SLEEPER, tmp_path / "log")
    try:
        with pytest.raises(CacheUnavailable, match=r"sleeper was not done after 0\.01 s"):
            child.wait_done(0.01)
    finally:
        process.stop_all([child])


def test_stopping_asks_first_and_then_kills(tmp_path: Path, wait_until: "WaitUntil") -> None:
    """A child that ignores the farewell is killed, one that heeds it is not, and an ended one is fine."""
    stubborn = _spawn(tmp_path, "trap '' TERM; echo ready; while :; do sleep 1; done")
    obedient = process.spawn("obedient", SLEEPER, tmp_path / "obedient")
    ended = process.spawn("ended", [SH, "-c", "exit 0"], tmp_path / "ended")
    ended.wait_done(60)
    wait_until(lambda: _wrote(stubborn) and _wrote(obedient))
    process.stop_all([stubborn, obedient, ended], seconds=0.2)
    assert [child.popen.returncode for child in (stubborn, obedient, ended)] == [-signal.SIGKILL, -signal.SIGTERM, 0]


def test_a_child_inherits_no_secret_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of our variables it gets the few that programs need, and what it is given."""
    monkeypatch.setenv("UPSTASH_REDIS_REST_TOKEN", "our-secret")
    child = process.spawn("env", ["/usr/bin/env"], tmp_path / "log", environment={"GIVEN": "yes"})
    child.wait_done(60)
    assert "GIVEN=yes" in child.log.read_text()
    assert f"PATH={os.environ['PATH']}" in child.log.read_text()
    assert "our-secret" not in child.log.read_text()


def test_a_child_meets_a_closed_pipe_as_other_programs_do(tmp_path: Path) -> None:
    """Python ignores SIGPIPE; what it starts must not inherit that."""
    child = _spawn(tmp_path, "kill -PIPE $$; echo survived")
    assert child.popen.wait(60) == -signal.SIGPIPE


def test_the_log_belongs_to_the_child_alone(tmp_path: Path) -> None:
    """Output of both kinds is kept, and nothing is read from our terminal."""
    child = _spawn(tmp_path, "cat; echo out; echo err >&2")
    child.wait_done(60)
    assert child.log.read_text() == "out\nerr\n"


def test_free_ports_are_distinct_and_free() -> None:
    """Each can be bound, all at once."""
    ports = process.free_ports(20)
    assert len(set(ports)) == 20
    for port in ports:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))


def test_nobody_answers_on_a_free_port() -> None:
    """A refused connection is a no, not an exception."""
    (port,) = process.free_ports(1)
    assert not process.answers_http(port, "/health")
