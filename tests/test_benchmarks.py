"""The benchmarks' own machinery: what counts, what is counted, and where figures go. Nothing here is timed."""

import os
import re
import sys
import time
from pathlib import Path

import pytest
import redis

from benchmarks import contenders, harness
from benchmarks.__main__ import PARTS
from benchmarks.cold_key import watched
from benchmarks.contenders import ASYNC_BASE, BASE, Contender
from benchmarks.harness import BenchmarkFailed, Calm, Process, Round, counted, median, server
from benchmarks.hits import Cell, Hit, HitsReport, Shape
from benchmarks.machine import Noise, Ticks, cores, pin
from benchmarks.table import _PEERS, hits_table, place
from benchmarks.tasks import Cold, ColdDone, Hits, HitsDone, Ready
from dousell_cache.measure.stats import Interval

PAGE = Path(__file__).parents[1] / "docs/reference/benchmarks.md"
FACES = [("asyncio", 0), ("blocking", 2)]
EVERYBODY = [*contenders.BLOCKING_HITS, *contenders.ASYNC_HITS, *contenders.NEAR, *contenders.COLD]


@pytest.fixture
def own_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Contenders run with this Python, which has redis-py and no peers."""
    monkeypatch.setattr(harness, "PEERS_PYTHON", Path(sys.executable))


@pytest.mark.parametrize("contender", EVERYBODY, ids=lambda contender: contender.place)
def test_every_contender_is_a_function_of_its_face(contender: Contender) -> None:
    """A contender names a function that exists, asynchronous exactly if it is listed so."""
    module, _, name = contender.place.partition(":")
    source = Path(contenders.__file__).with_name(f"{module}.py").read_text("utf-8")
    (asynchronous,) = re.findall(rf"^(async )?(?:def|class) {name}\b", source, re.MULTILINE)
    assert bool(asynchronous) == (contender.face == "asyncio")


def test_every_part_has_its_place_on_the_page(tmp_path: Path) -> None:
    """The page of the documentation takes the figures of every part, and keeps the rest of its text."""
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text("utf-8"), "utf-8")
    for name in PARTS:
        place(page, name, f"figures of {name}")
        place(page, name, f"new figures of {name}")
    text = page.read_text("utf-8")
    assert [text.count(f"figures of {name}") for name in PARTS] == [1] * len(PARTS)
    assert text.startswith("# Benchmarks\n")
    assert text.endswith("only within a table.\n")


def test_a_page_without_a_place_is_refused(tmp_path: Path) -> None:
    """A page whose comments are missing stays as it is, and the sentence names them."""
    page = tmp_path / "page.md"
    page.write_text("text <!-- hits: begin -->")
    with pytest.raises(ValueError, match="needs the comments <!-- hits: begin --> and <!-- hits: end -->"):
        place(page, "hits", "figures")
    assert page.read_text() == "text <!-- hits: begin -->"


def test_each_face_stands_together_whatever_the_order_of_measuring() -> None:
    """A cell may hold both faces, as the near cache's do: the table has a block for each, and says who missed."""
    shapes = [Shape("1 KB"), Shape("50 KB")]
    figure = Interval(1.0, 0.9, 1.1)
    cells = [
        Cell(
            [Hit("x", face, shape, figure, figure, figure, figure, figure, loads) for face, loads in FACES],
            Calm("a cell", rounds=6, disturbed=0, counted=6, stolen=0.0, others=0.0),
        )
        for shape in shapes
    ]
    lines = hits_table(HitsReport(cells, dict.fromkeys(_PEERS, "1"))).splitlines()
    measured = " | 1.00 / 1.00{0} | 1.00 (0.90–1.10)" * 2
    assert lines[2] == "| *asyncio* |  |  |  |  |"
    assert lines[3] == f"| x{measured.format('')} |"
    assert lines[5] == f"| x{measured.format(' †')} |"
    assert "† 4 of the measured reads were no hits: the loader ran." in lines


@pytest.mark.parametrize(("disturbed", "expected"), [(2, 1.0), (3, 9.0)])
def test_disturbed_rounds_count_only_where_calm_ones_are_too_few(disturbed: int, expected: float) -> None:
    """Six calm rounds of eight decide alone; with five, all eight count."""
    calm = [Round({BASE: 1.0}, Noise()) for _ in range(8 - disturbed)]
    rounds = calm + [Round({BASE: 9.0}, Noise(stolen=0.5)) for _ in range(disturbed)]
    assert len(counted(rounds)) == (6 if disturbed == 2 else 8)
    assert max(median(rounds, lambda answers: answers[BASE]).high or 0, 0) == expected


def test_the_work_of_others_is_what_is_not_ours() -> None:
    """Of 100 ticks, 5 stolen and 40 busy of which 25 were ours: others took 15."""
    before = Ticks(total=1000, busy=300, stolen=20, ours=200)
    assert before.until(Ticks(total=1100, busy=340, stolen=25, ours=225)) == Noise(stolen=0.05, others=0.15)


def test_what_scripts_do_is_not_counted() -> None:
    """A script that runs two commands is one command, as it is billed."""
    with server() as where, redis.Redis.from_url(where.url) as client:
        client.ping()
        with watched(client) as commands_so_far:
            client.eval("redis.call('SET', KEYS[1], 1) return redis.call('GET', KEYS[1])", 1, "key")
            client.get("key")
            assert commands_so_far() == 2


@pytest.mark.parametrize("contender", [BASE, ASYNC_BASE], ids=lambda contender: contender.face)
@pytest.mark.usefixtures("own_python")
def test_a_contender_measures_hits_and_a_cold_key(contender: Contender) -> None:
    """Every measured read is a hit; every caller of a cold key is answered, by its own load if nothing is shared."""
    with server() as where, Process(contender, where.url) as process:
        assert "redis" in process.hear(Ready).versions
        for callers in (1, 8):
            process.tell(Hits(["there", "here"], "1 KB", callers, warm_seconds=0.0, seconds=0.01))
            hits = process.hear(HitsDone)
            assert hits.loads == 0
            assert hits.p95_us >= hits.p50_us > 0
        process.tell(Cold("missing", 8, time.monotonic(), load_seconds=0.2))
        cold = process.hear(ColdDone)
        assert (len(cold.seconds), cold.loads) == (8, 8)
        assert min(cold.seconds) >= 0.2


@pytest.mark.usefixtures("own_python")
def test_a_contender_that_fails_is_named() -> None:
    """What goes wrong in a contender's process becomes one sentence that says whose it is."""
    nobody = Contender("bare:nobody", "blocking", "nobody")
    gone = pytest.raises(BenchmarkFailed, match="bare:nobody gave no answer: it ended")
    with Process(nobody, "redis://localhost") as process, gone:
        process.hear(Ready)
    with server() as where, Process(BASE, where.url) as process:
        process.hear(Ready)
        process.tell(Hits(["there", "here"], "1 MB", 1, warm_seconds=0.0, seconds=0.01))
        with pytest.raises(BenchmarkFailed, match="bare:blocking failed: KeyError: '1 MB'"):
            process.hear(HitsDone)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can tie a process to a core")
@pytest.mark.usefixtures("own_python")
def test_a_pinned_process_stays_on_its_core() -> None:
    """All threads of a pinned process have that core alone, and the harness keeps its own."""
    before = cores()
    with server() as where:
        pin(where.pid, before[-1:])
        threads = [int(thread.name) for thread in Path(f"/proc/{where.pid}/task").iterdir()]
        assert {frozenset(os.sched_getaffinity(thread)) for thread in threads} == {frozenset(before[-1:])}
    assert cores() == before
