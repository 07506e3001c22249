"""The same measurement over the runs of a folder."""

from pathlib import Path

import msgspec

from dousell_cache.measure.stats import Interval
from dousell_cache.reporting import series
from dousell_cache.reporting.record import Results

from .reports import GOOD, NAME, finished, made_up, many, measured


def now(host: str = "5f0c81a9be77", **facts: object) -> Results:
    """Return the results of a run that comes after all others, on a machine, with other facts of its measurement."""
    record = measured(GOOD, host=host, started="2026-12-01T06:00:00+00:00")
    (notebook,) = record.notebooks.values()
    assert notebook.result
    result = msgspec.structs.replace(notebook.result, **facts)
    notebooks = {NAME: msgspec.structs.replace(notebook, result=result)}
    other = msgspec.structs.replace(record, notebooks=notebooks)
    return made_up({"local": other}, run_id="20261201T060000Z-ffff", started=result.started)


def earlier(results: Results, out: Path) -> list[float]:
    """Return the P95 of the runs that these results are held against."""
    return [figure.value for figure in series.trends(results, out)["local", NAME]["p95_ms"].earlier]


def test_a_run_is_held_against_earlier_ones_in_their_order(tmp_path: Path) -> None:
    """The trend of a figure is what it was in runs alike, oldest first, those that came later left out."""
    many(tmp_path, [4.0, 5.0, 6.0])
    assert earlier(now(), tmp_path) == [4.0, 5.0, 6.0]
    (tmp_path / "other").mkdir()
    assert earlier(many(tmp_path / "other", [4.0, 5.0, 6.0])[1], tmp_path / "other") == [4.0]


def test_only_what_is_alike_is_compared(tmp_path: Path) -> None:
    """Another machine, other parameters, another origin or other emulated parts are another series."""
    many(tmp_path, [4.0])
    finished(tmp_path, made_up({"local": measured(GOOD)}, run_id="20261001T000000Z-aaaa"))  # of a machine unknown
    for other in (
        now(host="77aa01cd22ef"),
        now(host=""),
        now(parameters={"keys": 9}),
        now(origin="PostgreSQL"),
        now(emulated=["x"]),
    ):
        assert earlier(other, tmp_path) == []


def test_a_run_in_the_folder_is_not_held_against_itself(tmp_path: Path) -> None:
    """A page that is made again after its run was put into the folder shows the same trend."""
    many(tmp_path, [4.0, 5.0])
    finished(tmp_path, now())
    assert earlier(now(), tmp_path) == [4.0, 5.0]


def test_a_history_is_of_the_newest_runs(tmp_path: Path) -> None:
    """However many there are, a run is held against the last twenty."""
    many(tmp_path, [float(day) for day in range(1, 26)])
    assert earlier(now(), tmp_path) == [float(day) for day in range(6, 26)]


def test_what_cannot_be_read_is_no_part_of_a_history(tmp_path: Path) -> None:
    """A damaged file, or one of another version, is left out."""
    for results, content in zip(many(tmp_path, [4.0, 5.0, 6.0]), (b"{", None, b'{"schema": "x"}'), strict=True):
        if content:
            (tmp_path / results.run.id / "results.json").write_bytes(content)
    assert earlier(now(), tmp_path) == [5.0]
    assert earlier(now(), tmp_path / "nowhere") == []


def test_measurements_are_judged_by_what_was_before_them(tmp_path: Path) -> None:
    """A jump is a regression when it comes, whatever came after it; what was before it is not judged by it."""
    many(tmp_path, [4.0, 4.1, 3.9, 4.05, 4.0, 20.0, 4.0])
    (alike,) = series.series(tmp_path)
    words = [pasts["p95_ms"].word for pasts in series.judged(alike)]
    assert words == ["too few earlier runs"] * 5 + ["regressed", "within"]


def test_a_figure_without_a_target_has_no_trend(tmp_path: Path) -> None:
    """What nobody asked to be of some size is not judged."""
    many(tmp_path, [4.0])
    assert set(series.trends(now(), tmp_path)["local", NAME]) == {"hit_rate", "p95_ms"}
    assert isinstance(series.trends(now(), tmp_path)["local", NAME]["hit_rate"].earlier[0], Interval)
