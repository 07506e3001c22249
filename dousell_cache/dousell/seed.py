"""Synthetic Dousell data: a pure function of a seed, the same to the byte everywhere.

Nothing here reads a clock, a file or a database. All dates stand around `EPOCH`, never around today. No person is
invented: owners, tenants and visitors are numbered labels whose phone numbers and addresses reach nobody. A row is
a dict of column to value, as PostgREST answers it; the columns themselves are declared once, in schema.sql.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

Row = dict[str, Any]

# The "today" of the data, and its month; months are counted, so that they can be subtracted.
EPOCH = datetime(2026, 1, 15, tzinfo=UTC)
NOW = EPOCH.year * 12 + EPOCH.month - 1


class Dataset(NamedTuple):
    """All rows: one field a table, in an order that satisfies the foreign keys."""

    cities: list[Row]
    owners: list[Row]
    properties: list[Row]
    leases: list[Row]
    payments: list[Row]
    visits: list[Row]


class Town(NamedTuple):
    """A city, its weight on the market, and its neighbourhoods: "<a room's price in 1000 XOF> <"in X" in French>"."""

    name: str
    region: str
    weight: int
    places: str


class Kind(NamedTuple):
    """A kind of property: name, French name and its feminine ending, weight, and its rooms: number, m² and price."""

    name: str
    label: str
    e: str
    weight: int
    rooms: tuple[int, int]
    area: int
    price: float


# fmt: off
TOWNS = [
    Town("Dakar", "Dakar", 58,
         "200 aux Almadies, 140 à Ngor, 150 au Plateau, 160 à Fann, 150 au Point E, 125 à Mermoz, 110 à Sacré-Cœur, "
         "90 à Ouakam, 75 à Yoff, 80 à Liberté 6, 55 à la Médina, 48 à Grand Yoff, 45 aux Parcelles Assainies"),
    Town("Guédiawaye", "Dakar", 4, "32 à Golf Sud, 27 à Sam Notaire, 26 à Wakhinane"),
    Town("Rufisque", "Dakar", 4, "32 à Keury Kao, 30 à Diokoul, 28 à Arafat"),
    Town("Thiès", "Thiès", 9, "40 à l'Escale, 45 à Grand Standing, 36 à Mbour 1, 33 à Nguinth, 30 à Randoulène"),
    Town("Saly", "Thiès", 7, "95 à Saly Portudal, 80 à Saly Niakhniakhal, 65 à Saly Coulang, 50 à Saly Carrefour"),
    Town("Mbour", "Thiès", 5, "32 au Grand Mbour, 28 à Tefess, 26 à Diamaguène"),
    Town("Saint-Louis", "Saint-Louis", 6, "60 à l'Île Nord, 55 à l'Île Sud, 50 à l'Hydrobase, 30 à Sor"),
    Town("Kaolack", "Kaolack", 4, "28 à Léona, 26 à Médina Baye, 24 à Ndorong, 22 à Kasnack"),
    Town("Ziguinchor", "Ziguinchor", 4, "30 à l'Escale, 26 à Boucotte, 24 à Lyndiane, 22 à Tilène"),
]
KINDS = [
    Kind("room", "Chambre", "e", 12, (1, 1), 14, 0.8),
    Kind("studio", "Studio", "", 18, (1, 1), 27, 1.3),
    Kind("apartment", "Appartement", "", 45, (2, 5), 26, 1.0),
    Kind("house", "Maison", "e", 13, (3, 6), 28, 0.9),
    Kind("villa", "Villa", "e", 12, (4, 8), 38, 1.35),
]
AMENITIES = ["climatisation", "groupe électrogène", "gardiennage", "fibre optique", "chauffe-eau", "citerne d'eau",
             "balcon", "parking", "placards intégrés", "cuisine équipée"]
REMARKS = [
    "Le quartier est vivant et sûr, avec boutiques, pharmacie et boulangerie à deux pas.",
    "Les compteurs d'eau et d'électricité sont individuels, les factures à la charge du locataire.",
    "La résidence est bien entretenue et un gardien est présent jour et nuit.",
    "La peinture et la plomberie sont refaites avant chaque entrée dans les lieux.",
    "La rue est calme le soir, et les transports en commun passent au coin.",
    "La terrasse du toit, partagée entre voisins, sert de séchoir et de lieu de détente.",
    "Le bail est d'un an renouvelable, avec un état des lieux à l'entrée et à la sortie.",
    "Les visites se réservent en ligne, par créneaux de trente minutes, du lundi au samedi.",
]
# fmt: on


def generate(seed: int = 1, properties: int = 2000) -> Dataset:
    """Generate all rows of Dousell's six tables.

    Args:
        seed: picks the data; equal seeds give equal rows, on any machine and day. 1 is what the reports use.
        properties: how many, at least 1; the other tables follow in proportion. 2,000 is Dousell's own size.

    Returns:
        The rows of each table.

    Raises:
        ValueError: if `properties` is smaller than 1.
    """
    if properties < 1:
        raise ValueError(f"properties is {properties}; it must be at least 1")
    rng = Random(seed)  # noqa: S311 - data to be repeated, not secrets
    cities: list[Row] = [{"id": i, "name": town.name, "region": town.region} for i, town in enumerate(TOWNS, 1)]
    owners = [_owner(rng, number) for number in range(1, properties // 10 + 2)]
    homes = [_property(rng, number, len(owners)) for number in range(1, properties + 1)]
    leases = _numbered(lease for home in homes for lease in _leases(rng, home))
    payments = _numbered(payment for lease in leases for payment in _payments(rng, lease))
    visits = _numbered(visit for home in homes for visit in _visits(rng, home))
    return Dataset(cities, owners, homes, leases, payments, visits)


def digest(data: Dataset) -> str:
    """Compute the SHA-256 of all rows, as hexadecimal digits: equal data, equal digest."""
    text = json.dumps(data._asdict(), default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _owner(rng: Random, number: int) -> Row:
    return {
        "id": number,
        "user_id": UUID(int=rng.getrandbits(128), version=4),
        "label": f"Propriétaire {number:04}",
        "phone": f"+221 00 {number:07}",  # no Senegalese number begins with 00
        "email": f"proprietaire-{number:04}@example.com",
    }


def _property(rng: Random, number: int, owners: int) -> Row:
    town = rng.choices(TOWNS, [town.weight for town in TOWNS])[0]
    price, inside = rng.choice(town.places.split(", ")).split(" ", 1)
    kind = rng.choices(KINDS, [kind.weight for kind in KINDS])[0]
    home: Row = {
        "id": number,
        "owner_id": 1 + int(owners * rng.random() * rng.random()),  # a few hold many properties, most hold few
        "city_id": TOWNS.index(town) + 1,
        "neighbourhood": re.sub("^(aux |au |à la |à l'|à )", "", inside),
        "kind": kind.name,
        "photos": [f"properties/{number}/{photo}.webp" for photo in range(1, rng.randint(2, 4) + 1)],
    }
    home |= _layout(rng, kind)
    home |= _terms(rng, home["rooms"] * int(price) * 1000 * kind.price * (1.3 if home["furnished"] else 1.0))
    return home | _words(rng, home, kind, f"{inside}, {town.name}")


def _layout(rng: Random, kind: Kind) -> Row:
    rooms = rng.randint(*kind.rooms)
    return {
        "rooms": rooms,
        "bathrooms": 1 + rooms // 3,
        "area_m2": round(rooms * kind.area * rng.uniform(0.8, 1.2)),
        "furnished": rng.random() < 0.3,
        "amenities": rng.sample(AMENITIES, rng.randint(2, 4)) + ["jardin"] * (kind.name == "villa"),
    }


def _terms(rng: Random, price: float) -> Row:
    price *= rng.uniform(0.85, 1.15)
    step = 5_000 if price < 250_000 else 25_000 if price < 1_000_000 else 50_000  # nobody asks for 243,817
    rent = round(price / step) * step
    created = EPOCH - timedelta(minutes=rng.randrange(60 * 24 * 730))
    return {
        "rent_xof": rent,
        "deposit_xof": rent * rng.randint(1, 3),
        "published": rng.random() < 0.92,
        "available_on": None if rng.random() < 0.4 else EPOCH.date() + timedelta(days=rng.randrange(60)),
        "created_at": created,
        "updated_at": created + (EPOCH - created) * rng.random(),
    }


def _words(rng: Random, home: Row, kind: Kind, where: str) -> Row:
    name = f"{kind.label} meublé{kind.e}" if home["furnished"] else kind.label
    size = f"{home['rooms']} pièces et {home['area_m2']} m²" if home["rooms"] > 1 else f"{home['area_m2']} m²"
    adjective = rng.choice(["calme", "moderne", "confortable", "agréable", "pratique"])
    *amenities, last = home["amenities"]
    sentences = [
        f"{name} {adjective} de {size}, situé{kind.e} {where}, à {rng.randint(2, 15)} minutes à pied du marché.",
        f"À votre disposition : {', '.join(amenities)} et {last}.",
        *rng.sample(REMARKS, rng.randint(3, 4)),
        f"La caution est de {home['deposit_xof'] // home['rent_xof']} mois de loyer.",
    ]
    return {"title": f"{name} de {size} {where}", "description": " ".join(sentences)}


def _leases(rng: Random, home: Row) -> Iterator[Row]:
    """Yield the running lease of a let property; one in four of the others had a lease that is over."""
    let = home["available_on"] is None
    if let or rng.random() < 0.25:
        ends = NOW if let else NOW - rng.randint(0, 6)
        yield {
            "property_id": home["id"],
            "tenant_id": UUID(int=rng.getrandbits(128), version=4),
            "tenant_label": f"Locataire {home['id']:04}",
            "rent_xof": home["rent_xof"],
            "starts_on": _first_day(ends - rng.randint(1, 24)),
            "ends_on": None if let else _first_day(ends),
        }


def _payments(rng: Random, lease: Row) -> Iterator[Row]:
    """Yield a payment for almost every month of a lease; the current month's are still coming in."""
    end = _month(lease["ends_on"]) if lease["ends_on"] else NOW + 1
    for month in range(_month(lease["starts_on"]), end):
        period = _first_day(month)
        odds = (75, 5, 4, 16) if month == NOW else (985, 0, 5, 10)
        status = rng.choices(["paid", "pending", "failed", "none"], odds)[0]
        paid_at = datetime.combine(period, EPOCH.timetz()) + timedelta(minutes=rng.randrange(60 * 24 * 12))
        if status != "none":
            yield {
                "lease_id": lease["id"],
                "period": period,
                "amount_xof": lease["rent_xof"],
                "status": status,
                "channel": rng.choice(["wave", "wave", "orange_money", "free_money", "card"]),
                "reference": f"SEED-{lease['id']:05}-{period:%Y%m}",
                "paid_at": paid_at if status == "paid" else None,
            }


def _visits(rng: Random, home: Row) -> Iterator[Row]:
    """Yield up to four visits of a property on offer, each in a half-hour slot of its own, four weeks around now."""
    on_offer = home["published"] and home["available_on"]
    for slot in rng.sample(range(28 * 16), rng.randint(0, 4) if on_offer else 0):
        starts = EPOCH + timedelta(days=slot // 16 - 14, hours=9, minutes=slot % 16 * 30)
        if starts.weekday() < 6:
            yield {
                "property_id": home["id"],
                "visitor_id": UUID(int=rng.getrandbits(128), version=4),
                "visitor_label": f"Visiteur {home['id']:04}-{slot:03}",
                "starts_at": starts,
                "ends_at": starts + timedelta(minutes=30),
                "status": rng.choices(["cancelled", "done" if starts < EPOCH else "booked"], [1, 9])[0],
            }


def _numbered(rows: Iterable[Row]) -> list[Row]:
    return [{"id": number} | row for number, row in enumerate(rows, 1)]


def _month(day: date) -> int:
    return day.year * 12 + day.month - 1


def _first_day(month: int) -> date:
    return date(month // 12, month % 12 + 1, 1)
