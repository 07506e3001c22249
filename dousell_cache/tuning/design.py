"""The times to live that Dousell's site was designed with, to be judged against what its trace says."""

DESIGN_TTLS = {
    "all_properties_public": 300.0,
    "home": 300.0,
    "detail": 3_600.0,
    "property": 3_600.0,
    "search": 600.0,
    "city": 600.0,
    "dashboard": 1_800.0,
    "slots": 120.0,
}
"""Seconds by key family, under the names of the design and under those of the keys: the home page, a property, the
properties of a city, an owner's dashboard, the free slots of a visit."""
