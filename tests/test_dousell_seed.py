"""The synthetic data: deterministic, consistent in itself, and of the size and shape that the benchmark assumes."""

import json
from collections.abc import Iterable
from datetime import date, timedelta
from itertools import pairwise
from statistics import mean, median
from typing import Any

import pytest

from dousell_cache.dousell.seed import EPOCH, TOWNS, Row, digest, generate

DATA = generate()


def by_id(rows: list[Row]) -> dict[int, Row]:
    """Index rows by their ids."""
    return {row["id"]: row for row in rows}


def months(first: date, last: date) -> list[date]:
    """List the first days of the months from one to the other, both included."""
    count = (last.year - first.year) * 12 + last.month - first.month
    return [date(first.year + (first.month - 1 + n) // 12, (first.month - 1 + n) % 12 + 1, 1) for n in range(count + 1)]


def json_size(row: Row) -> int:
    """Count the bytes of a row as PostgREST sends it."""
    return len(json.dumps(row, default=str, ensure_ascii=False, separators=(",", ":")).encode())


def rents(kind: str, **where: Any) -> Iterable[int]:
    """Pick the rents of one kind of property."""
    return [p["rent_xof"] for p in DATA.properties if p["kind"] == kind and where.items() <= p.items()]


def test_a_seed_means_the_same_rows_everywhere() -> None:
    """Seed 1 has had this digest since the data was last changed on purpose, on every machine and Python."""
    assert digest(generate(1, 300)) == "5af3fbaf2a2a7450db6953f06ef2b0df8166c776e2a1a8b636f168c4f60f5644"


def test_another_seed_or_size_has_another_digest() -> None:
    """The digest tells apart data that differ in seed or size alone."""
    assert len({digest(generate(seed, size)) for seed in (1, 2) for size in (20, 21)}) == 4


def test_one_changed_value_changes_the_digest() -> None:
    """A single franc shows."""
    data = generate(1, 20)
    before = digest(data)
    data.properties[7]["rent_xof"] += 1
    assert digest(data) != before


@pytest.mark.parametrize("properties", [0, -1])
def test_a_site_without_properties_is_refused(properties: int) -> None:
    """Fewer than one property is a mistake, and the message says what it was."""
    with pytest.raises(ValueError, match=f"properties is {properties}; it must be at least 1"):
        generate(1, properties)


@pytest.mark.parametrize("size", [1, 2, 2000])
def test_every_size_is_consistent(size: int) -> None:
    """Ids run from 1 without a gap, and every reference has its row."""
    data = generate(3, size)
    for rows in data:
        assert [row["id"] for row in rows] == list(range(1, len(rows) + 1))
    ids = {name: set(by_id(rows)) for name, rows in data._asdict().items()}
    assert len(data.properties) == size
    assert {p["owner_id"] for p in data.properties} <= ids["owners"]
    assert {p["city_id"] for p in data.properties} <= ids["cities"]
    assert {row["property_id"] for row in data.leases + data.visits} <= ids["properties"]
    assert {payment["lease_id"] for payment in data.payments} <= ids["leases"]


def test_a_property_is_about_a_kilobyte() -> None:
    """The benchmark's entries have the size it states."""
    sizes = [json_size(p) for p in DATA.properties]
    assert 950 < mean(sizes) < 1100
    assert max(sizes) < 1400


def test_cities_have_their_weights() -> None:
    """Dakar holds most of the market and every other city a part of it."""
    counts = [sum(p["city_id"] == city["id"] for p in DATA.properties) for city in DATA.cities]
    shares = {city["name"]: count / len(DATA.properties) for city, count in zip(DATA.cities, counts, strict=True)}
    assert shares == pytest.approx({town.name: town.weight / sum(t.weight for t in TOWNS) for town in TOWNS}, abs=0.03)
    assert {"Dakar", "Thiès", "Saint-Louis", "Mbour", "Saly", "Ziguinchor", "Kaolack"} <= shares.keys()


def test_neighbourhoods_are_names() -> None:
    """The name carries no price and no French preposition, which belong to the sentences."""
    names = {p["neighbourhood"] for p in DATA.properties}
    assert {"Almadies", "Plateau", "Mermoz", "Ouakam", "Yoff", "Médina", "Escale", "Parcelles Assainies"} <= names
    assert not [name for name in names if name.startswith(("à ", "au ", "aux ")) or name[0].isdigit() or "'" in name]


def test_rents_depend_on_place_and_size() -> None:
    """Almadies is dearer than the Parcelles, Dakar than Kaolack, five rooms than two, furnished than bare."""
    assert median(rents("apartment", neighbourhood="Almadies")) > 2 * median(
        rents("apartment", neighbourhood="Parcelles Assainies")
    )
    assert median(rents("studio", city_id=1)) > median(rents("studio", city_id=8))
    assert median(rents("apartment", rooms=5)) > median(rents("apartment", rooms=2))
    assert median(rents("studio", furnished=True)) > median(rents("studio", furnished=False))


def test_rents_are_round() -> None:
    """A rent is a positive number of 5,000 francs, of 25,000 above a quarter of a million."""
    for p in DATA.properties:
        assert p["rent_xof"] > 0
        assert p["rent_xof"] % (25_000 if p["rent_xof"] > 250_000 else 5_000) == 0


def test_people_cannot_be_reached() -> None:
    """Owners are numbered labels with numbers and addresses that exist nowhere."""
    for owner in DATA.owners:
        assert owner["label"] == f"Propriétaire {owner['id']:04}"
        assert owner["phone"].startswith("+221 00 ")
        assert owner["email"].endswith("@example.com")


def test_a_let_property_has_one_running_lease() -> None:
    """A property is on offer exactly when no lease of it runs."""
    running = [lease["property_id"] for lease in DATA.leases if lease["ends_on"] is None]
    assert len(running) == len(set(running))
    assert set(running) == {p["id"] for p in DATA.properties if p["available_on"] is None}
    assert 0.3 < len(running) / len(DATA.properties) < 0.5


def test_payments_follow_their_lease() -> None:
    """A lease has at most one payment a month, of its rent, none outside it, and few months without."""
    leases, paid = by_id(DATA.leases), {(p["lease_id"], p["period"]) for p in DATA.payments}
    due = {
        (lease["id"], month)
        for lease in leases.values()
        for month in months(lease["starts_on"], lease["ends_on"] - timedelta(1) if lease["ends_on"] else EPOCH.date())
    }
    assert len(paid) == len(DATA.payments)
    assert paid <= due
    assert 0.95 < len(paid) / len(due) < 1
    assert all(p["amount_xof"] == leases[p["lease_id"]]["rent_xof"] for p in DATA.payments)


def test_visits_of_a_property_never_overlap() -> None:
    """Visits are half hours of working days, one at a time, in offered properties; those to come are still booked."""
    offered = {p["id"] for p in DATA.properties if p["published"] and p["available_on"]}
    for visit in DATA.visits:
        assert visit["property_id"] in offered
        assert visit["ends_at"] - visit["starts_at"] == timedelta(minutes=30)
        assert visit["starts_at"].weekday() < 6
        assert (visit["status"] == "booked") <= (visit["starts_at"] >= EPOCH)
    ordered = sorted(DATA.visits, key=lambda visit: (visit["property_id"], visit["starts_at"]))
    for one, other in pairwise(ordered):
        assert one["property_id"] != other["property_id"] or one["ends_at"] <= other["starts_at"]


def test_nothing_that_happened_lies_after_the_epoch() -> None:
    """Creation, updates, payments and finished visits are past; created comes before updated."""
    for p in DATA.properties:
        assert p["created_at"] <= p["updated_at"] <= EPOCH
    assert all(p["paid_at"] <= EPOCH for p in DATA.payments if p["status"] == "paid")
    assert all(v["starts_at"] < EPOCH for v in DATA.visits if v["status"] == "done")


def test_descriptions_read_as_french() -> None:
    """Adjectives agree with their noun, and no room count stands before a single room."""
    for p in DATA.properties:
        feminine = p["kind"] in ("room", "house", "villa")
        assert (", située " in p["description"]) == feminine
        assert not p["furnished"] or ("meublée" in p["title"]) == feminine
        assert "1 pièces" not in p["title"] + p["description"]
