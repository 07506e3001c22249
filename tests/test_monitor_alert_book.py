"""The file that a cron job's alerts live in: nothing is said twice for nothing, and nothing is lost on the way."""

import errno
import fcntl
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import msgspec
import pytest

from dousell_cache.errors import ConfigurationError
from dousell_cache.monitor.alert_book import MOST_OWED, Watch, line, take
from dousell_cache.monitor.alert_file import Book, BookNotKept, InFile, InMemory, read
from dousell_cache.monitor.alert_rules import rules
from dousell_cache.monitor.alerts import Notice
from dousell_cache.monitor.delivery import Delivery, Webhook, send
from dousell_cache.monitor.figures import Sample, ServerFigures

from .samples import at, blind, look
from .webhooks import receiving

RULES = rules()
LOW, WELL = (0.70, 0.68, 0.72), (0.95, 0.94, 0.96)
TAKEN = Delivery(delivered=True)
LATER = Delivery(delivered=False, reason="hooks.example answered 503")
NEVER = Delivery(delivered=False, given_up=True, reason="hooks.example answered 404")


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """Where the alerts are kept."""
    return tmp_path / "alerts.json"


class Sent:
    """Notes what is sent, and ends as it is told to."""

    def __init__(self, *endings: Delivery) -> None:
        self.endings = list(endings)
        self.notices: list[Notice] = []

    def __call__(self, notice: Notice, patience: float) -> Delivery:
        """Note a notice."""
        assert patience > 0
        self.notices.append(notice)
        return self.endings.pop(0) if self.endings else TAKEN

    @property
    def rules(self) -> list[str]:
        """The rules that were spoken of."""
        return [notice.rule for notice in self.notices]


def test_a_cron_job_says_it_once(book: Path) -> None:
    """Looks that know nothing of each other but the file: fired once, resolved once, firing in between."""
    told = [
        take(look(minute, hit_rate=rate), InFile(book), RULES)
        for minute, rate in enumerate([LOW, LOW, LOW, WELL, WELL])
    ]
    assert [[notice.kind for notice in one.notices] for one in told] == [["fired"], [], [], ["resolved"], []]
    assert [one.firing for one in told] == [True, True, True, False, False]
    (place,) = read(book).places
    assert place == "dedicated redis://cache.example:6379"


def test_without_a_file_the_process_remembers(tmp_path: Path) -> None:
    """Nothing is written; the next look of the same monitor knows what this one said."""
    memory = InMemory()
    told = [take(look(minute, hit_rate=LOW), memory, RULES) for minute in range(2)]
    assert [len(one.notices) for one in told] == [1, 0]
    assert list(tmp_path.iterdir()) == []


def test_caches_do_not_mix(book: Path) -> None:
    """Two environments in one file have alerts of their own."""
    assert take(look(0, hit_rate=LOW), InFile(book), RULES).firing
    other = take(look(1, environment="vercel"), InFile(book), RULES)
    assert (other.firing, other.notices) == (False, [])
    assert take(look(2, hit_rate=LOW), InFile(book), RULES).notices == []


def test_a_look_that_comes_late_changes_nothing(book: Path) -> None:
    """Of two jobs that overlap the later sample counts; the earlier is told how it stands."""
    take(look(5, hit_rate=LOW), InFile(book), RULES)
    before = read(book)
    told = take(look(4), InFile(book), RULES)
    assert (told.firing, told.notices) == (True, [])
    assert read(book) == before


def test_a_clock_that_was_ahead_silences_nothing(book: Path) -> None:
    """Set right, it begins anew: what fires is said again at once, what is new too, and what is over is resolved."""
    ahead = 60 * 24
    take(look(ahead, hit_rate=LOW, opened=2), InFile(book), RULES)
    told = take(look(0, hit_rate=LOW, memory=0.95), InFile(book), RULES)
    assert [(notice.rule, notice.kind) for notice in told.notices] == [
        ("hit_rate", "reminder"),
        ("memory", "fired"),
        ("breaker", "resolved"),
    ]
    assert told.complaint == (
        f"the last look, of {at(ahead)}, was later than this one: a clock was ahead, and what fires is said again"
    )
    assert all(alert.since == at(0) for alert in told.alerts)
    assert [notice.rule for notice in take(look(1, memory=0.95), InFile(book), RULES).notices] == ["hit_rate"]
    assert str(read(book)).count(at(ahead)) == 0


def test_a_clock_that_was_ahead_leaves_a_quiet_time_as_long(book: Path) -> None:
    """Evictions are over after ten quiet minutes by the clock that is right, not at the first look of it."""
    ahead = 60 * 24
    for minute, evicted in ((ahead, 5), (0, 0), (9, 0), (10, 0), (11, 0)):
        told = take(look(minute, evicted=evicted), InFile(book), RULES)
        assert told.firing == (minute not in (10, 11)), minute
    assert told.notices == []


def test_a_clock_that_was_ahead_keeps_nobody_from_the_webhook(book: Path) -> None:
    """When the receiver asked to be left alone for two minutes of another day, those are over."""
    sent = Sent(Delivery(delivered=False, reason="hooks.example answered 429", after=120))
    take(look(60 * 24, hit_rate=LOW), InFile(book), RULES, send=sent)
    told = take(look(0, hit_rate=LOW), InFile(book), RULES, send=sent)
    assert [notice.kind for notice in sent.notices] == ["fired", "fired", "reminder"]
    assert "a clock was ahead" in told.complaint
    assert read(book).owed == ()


def test_a_notice_is_owed_until_it_is_taken(book: Path) -> None:
    """What the webhook did not take is sent at the next look, before what is new, in the order in which it happened."""
    busy = Sent(LATER)
    first = take(look(0, hit_rate=LOW, memory=0.95), InFile(book), RULES, send=busy)
    assert busy.rules == ["hit_rate"]  # one that is not taken keeps back the rest
    assert first.complaint == ("notices not delivered yet, to be tried again next time: 2 (hooks.example answered 503)")
    later = Sent()
    second = take(look(1, hit_rate=LOW, memory=0.95, opened=1), InFile(book), RULES, send=later)
    assert later.rules == ["hit_rate", "memory", "breaker"]
    assert later.notices[0].id == busy.notices[0].id
    assert second.complaint == ""
    assert read(book).owed == ()


def test_a_receiver_that_wants_to_wait_is_left_alone(book: Path) -> None:
    """Until its time has come no look disturbs it; nor is anything lost."""
    wait = Delivery(delivered=False, reason="hooks.example answered 429", after=150)
    sent = Sent(wait)
    take(look(0, hit_rate=LOW), InFile(book), RULES, send=sent)
    told = [take(look(minute, hit_rate=LOW), InFile(book), RULES, send=sent) for minute in (1, 2, 3)]
    assert sent.rules == ["hit_rate", "hit_rate"]
    assert [bool(one.complaint) for one in told] == [True, True, False]
    assert told[0].complaint == f"notices that wait for the webhook until {at(2.5)}: 1"


def test_a_refused_notice_is_dropped_and_told(book: Path) -> None:
    """It would be refused for ever and keep back the others."""
    sent = Sent(NEVER)
    told = take(look(0, hit_rate=LOW, memory=0.95), InFile(book), RULES, send=sent)
    assert sent.rules == ["hit_rate", "memory"]
    assert told.complaint == "a notice was not delivered, and will not be: hooks.example answered 404"
    assert (read(book).owed, read(book).dropped) == ((), 1)


def test_what_is_owed_is_bounded(book: Path) -> None:
    """A receiver that is gone for good costs a bounded number of notices, none older than a day; the loss counts."""
    sent = Sent(*[LATER] * 300)
    for minute in range(220):
        take(look(minute, hit_rate=LOW if minute % 2 else WELL), InFile(book), RULES, send=sent)
    assert len(read(book).owed) == MOST_OWED
    assert read(book).dropped == 219 - MOST_OWED
    take(look(5000), InFile(book), RULES, send=sent)
    assert [notice.kind for notice in read(book).owed] == ["resolved"]


def test_a_notice_that_waited_too_long_is_told(book: Path) -> None:
    """What is dropped for its age is told beside what the webhook says now, and only when it is dropped."""
    take(look(0, hit_rate=LOW, memory=0.95), InFile(book), RULES, send=Sent(LATER))
    late = [take(look(60 * 25 + minute), InFile(book), RULES, send=Sent(LATER)) for minute in range(2)]
    waiting = "notices not delivered yet, to be tried again next time: 2 (hooks.example answered 503)"
    lost = "2 notices were not delivered, and will not be: more than a day old"
    assert [one.complaint for one in late] == [f"{lost}; {waiting}", waiting]


def test_a_notice_that_no_longer_has_room_is_told(book: Path) -> None:
    """So is what is dropped because too many wait: as many sentences as there are reasons."""
    told = [
        take(look(minute / 60, hit_rate=LOW if minute % 2 else WELL), InFile(book), RULES, send=Sent(LATER)).complaint
        for minute in range(MOST_OWED + 2)
    ]
    lost = f"a notice was not delivered, and will not be: more than {MOST_OWED} wait"
    assert [lost in complaint for complaint in told[-2:]] == [False, True]


def test_a_refused_notice_is_told_beside_one_that_waits(book: Path) -> None:
    """That the webhook will take the next one later does not hide that it refused others for good."""
    sent = Sent(NEVER, NEVER, LATER)
    told = take(look(0, hit_rate=LOW, memory=0.95, opened=1), InFile(book), RULES, send=sent)
    assert told.complaint == (
        "2 notices were not delivered, and will not be: hooks.example answered 404; "
        "notices not delivered yet, to be tried again next time: 1 (hooks.example answered 503)"
    )


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named(book: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Where no lock is to be had, as on some network file systems, a sentence says so, and nothing is waited for."""

    def none(_handle: int, _kind: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", none)
    with pytest.raises(BookNotKept, match=rf"alerts.json cannot be locked: {os.strerror(code)}"):
        take(look(0), InFile(book), RULES)


def test_delivery_ends_after_a_minute(book: Path) -> None:
    """However slow the receiver is and however much is owed: the rest waits for the next look, nobody for the book."""
    seconds = [0.0]
    left = []

    def slow(_notice: Notice, patience: float) -> Delivery:
        left.append(patience)
        seconds[0] += 25
        return TAKEN

    sample = look(0, hit_rate=LOW, memory=0.95, opened=1, evicted=3)
    told = take(sample, InFile(book), RULES, send=slow, seconds=lambda: seconds[0])
    assert left == [60, 35, 10]
    assert told.complaint == "notices not delivered yet, to be tried again next time: 1 (60 s are over)"
    assert len(read(book).owed) == 1


def test_a_book_that_others_hold_is_not_waited_for_for_ever(book: Path) -> None:
    """A job that hangs costs the others their wait, and a sentence."""
    with InFile(book).opened(), pytest.raises(BookNotKept, match=r"alerts.json has been in use by another job for 0 s"):
        take(look(0), InFile(book, patience=0), RULES)


def test_a_crash_between_sending_and_noting_sends_it_again(book: Path) -> None:
    """At least once: the second has the first one's id, by which a receiver can tell."""
    sent = Sent()

    def dies(notice: Notice, patience: float) -> Delivery:
        sent(notice, patience)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take(look(0, hit_rate=LOW), InFile(book), RULES, send=dies)
    assert take(look(1, hit_rate=LOW), InFile(book), RULES, send=sent).notices == []
    assert len({notice.id for notice in sent.notices}) == 1
    assert len(sent.notices) == 2


def test_a_real_webhook_hears_of_an_outage_once(book: Path) -> None:
    """Over HTTP, through an outage of the receiver: fired and resolved arrive, in this order, each taken once."""
    with receiving([(503, {})]) as receiver:
        to = Webhook(receiver.url, "s")

        def once(notice: Notice, _patience: float) -> Delivery:
            return send(to, notice, 0)

        told = [take(sample, InFile(book), RULES, send=once) for sample in (blind(0), blind(1), look(2), look(3))]
    assert [bool(one.complaint) for one in told] == [True, False, False, False]
    kinds = [json.loads(request.body)["notice"]["kind"] for request in receiver.received]
    assert kinds == ["fired", "fired", "resolved"]
    assert receiver.keys[0] == receiver.keys[1] != receiver.keys[2]


def test_two_jobs_take_turns(book: Path) -> None:
    """Of two processes that judge the same sample at once, one says that it fires."""
    program = (
        "import sys; from pathlib import Path; from tests.samples import look\n"
        "from dousell_cache.monitor.alert_book import take; from dousell_cache.monitor.alert_file import InFile\n"
        "from dousell_cache.monitor.alert_rules import rules\n"
        "sys.stdin.read()\n"
        "print(len(take(look(0, hit_rate=(0.7, 0.68, 0.72)), InFile(Path(sys.argv[1])), rules()).notices))"
    )
    command = [sys.executable, "-c", program, str(book)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    root = Path(__file__).parents[1]
    jobs = [subprocess.Popen(command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, **pipes) for _ in range(2)]  # type: ignore[call-overload] # the pipes are alike
    assert sorted(job.communicate(timeout=60)[0].strip() for job in jobs) == ["0", "1"]


def test_while_one_has_the_book_nobody_else_has(book: Path) -> None:
    """Not even to read: whoever judged by what is about to be replaced would say it twice."""
    with InFile(book).opened(), book.with_name("alerts.json.lock").open() as other:
        for kind in (fcntl.LOCK_EX, fcntl.LOCK_SH):
            with pytest.raises(BlockingIOError):
                fcntl.flock(other, kind | fcntl.LOCK_NB)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "does not hold the state of alerts"),
        (b'{"schema": "dousell-cache/alerts", "version": 2}', "holds dousell-cache/alerts version 2"),
        (b'{"schema": "dousell-cache/results"}', "holds dousell-cache/results version 1"),
    ],
)
def test_a_file_of_somebody_else_is_left_alone(book: Path, content: bytes, said: str) -> None:
    """One sentence names it, and nothing is written over it."""
    book.write_bytes(content)
    with pytest.raises(ConfigurationError, match=said):
        take(look(0), InFile(book), RULES)
    assert book.read_bytes() == content


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Nothing could be kept, so it is an error, and one sentence says where."""
    with pytest.raises(BookNotKept, match=r"nowhere/alerts.json cannot be written: No such file"):
        take(look(0), InFile(tmp_path / "nowhere" / "alerts.json"), RULES)


def test_a_write_that_fails_leaves_the_old_file(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk costs the new state, not the old, and leaves nothing beside it."""
    take(look(0, hit_rate=LOW), InFile(book), RULES)
    before = book.read_bytes()

    def full(_path: Path, _content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(BookNotKept, match="No space left on device"):
        take(look(1), InFile(book), RULES)
    assert book.read_bytes() == before
    assert sorted(path.name for path in book.parent.iterdir()) == ["alerts.json", "alerts.json.lock"]


def test_a_watch_says_what_fires_now(book: Path, tmp_path: Path) -> None:
    """Plugged into monitors it keeps a document of all environments, and the lines that are not said yet."""
    path = tmp_path / "now.json"
    watch = Watch(InFile(book), RULES, now=path)
    watch(look(0, hit_rate=LOW))
    watch(look(0, environment="vercel"))
    assert [alert.name for alert in watch(look(1, memory=0.95)) if alert.firing] == ["memory"]
    document = json.loads(path.read_text())
    assert (document["schema"], document["version"], document["firing"]) == ("dousell-cache/alerts-now", 1, True)
    dedicated, vercel = document["places"]
    assert (dedicated["at"], dedicated["environment"], vercel["alerts"]) == (at(1), "dedicated", [])
    assert {alert["name"]: alert["firing"] for alert in dedicated["alerts"]} == {"hit_rate": False, "memory": True}
    assert [(notice["rule"], notice["kind"]) for notice in dedicated["notices"]] == [
        ("hit_rate", "resolved"),
        ("memory", "fired"),
    ]
    said, complaints = watch.unsaid()
    assert [words.split(" since ")[0] for words in said] == [
        "FIRING dedicated hit_rate",
        "RESOLVED dedicated hit_rate",
        "FIRING dedicated memory",
    ]
    assert complaints == []
    assert watch.unsaid() == ([], [])


def test_a_watch_complains_of_the_webhook(book: Path) -> None:
    """What was not delivered is told beside the notices."""
    watch = Watch(InFile(book), RULES, send=Sent(NEVER))
    watch(look(0, hit_rate=LOW))
    assert watch.unsaid()[1] == ["a notice was not delivered, and will not be: hooks.example answered 404"]


def test_a_notice_is_a_line() -> None:
    """With all that a person needs who reads it in a log."""
    (fired,) = take(look(0, opened=2), InMemory(), RULES).notices
    assert line(fired) == (
        f"FIRING dedicated breaker since {at(0)}: Processes leave the cache alone: opened 2 times for 10 s in 1 h, all "
        f"processes together. Likely cause: {fired.cause}. Next: {fired.step}."
    )


def test_a_cron_job_sees_what_moved_since_the_last(book: Path) -> None:
    """A process that looks once has no look before it: what the file kept of the server's counters tells evictions."""

    def first_look(minute: float, evicted: int, uptime: float = 1e6) -> Sample:
        sample = look(minute, evicted=None)
        assert sample.server
        (node,) = sample.server.nodes
        node = msgspec.structs.replace(node, counters={"evicted_keys": evicted}, uptime_seconds=uptime + 60 * minute)
        return msgspec.structs.replace(sample, delta=None, server=ServerFigures(nodes=(node,)))

    told = [
        take(first_look(0, 100), InFile(book), RULES),
        take(blind(1), InFile(book), RULES),
        take(first_look(2, 130), InFile(book), RULES),
        take(first_look(3, 130), InFile(book), RULES),
        take(first_look(12, 4, uptime=0), InFile(book), RULES),  # after a restart: it counts from nought
    ]
    assert [[(one.rule, one.kind, one.figure) for one in each.notices if one.rule != "unseen"] for each in told] == [
        [],
        [],
        [("evictions", "fired", "30 in 120 s")],
        [],
        [],
    ]


def test_the_file_can_be_read_by_people(book: Path) -> None:
    """It is indented JSON with a final newline, and holds no address of a webhook."""
    with receiving() as receiver:
        take(look(0, hit_rate=LOW), InFile(book), RULES, send=partial(send, Webhook(receiver.url, "s3cret")))
    text = book.read_text()
    assert text.endswith("}\n")
    assert "c4n4ry" not in text
    assert "s3cret" not in text
    assert msgspec.json.decode(text, type=Book) == read(book)
