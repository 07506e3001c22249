"""What is cached: lists of properties, as a page of the site shows them. Data only."""

from collections.abc import Mapping
from typing import Any


def properties(count: int) -> list[dict[str, Any]]:
    """Return that many properties, about 205 bytes of JSON each."""
    return [
        {
            "id": number,
            "title": f"Appartement 3 pièces à Mermoz, no {number:03}",
            "city": "Dakar",
            "rent": 250_000 + 1_000 * number,
            "rooms": 3,
            "area_m2": 84.5,
            "furnished": number % 2 == 0,
            "available_from": "2026-02-01",
            "photo": f"properties/{number:03}/salon.jpg",
        }
        for number in range(1, count + 1)
    ]


VALUES: dict[str, Any] = {"1 KB": properties(5), "50 KB": properties(252)}
"""By the size of their JSON."""


def thawed(value: Any) -> Any:
    """Return a value as it was before a near cache that shares it froze it: lists and dicts."""
    if isinstance(value, Mapping):
        return {name: thawed(part) for name, part in value.items()}
    return [thawed(part) for part in value] if isinstance(value, (list, tuple)) else value
