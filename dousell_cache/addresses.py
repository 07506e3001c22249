"""URLs that name several servers: those of a Cluster, or the Sentinels that know a service's master. Pure."""

import re
from dataclasses import dataclass, field
from typing import Literal, cast

_FORM = re.compile(
    r"(?P<base>rediss?)\+(?P<way>cluster|sentinel)://(?P<credentials>[^/?#]*@)?(?P<hosts>[^/?#]*)"
    r"(?P<path>[^?#]*)(?P<options>.*)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Several:
    """Several servers that one URL names.

    Args:
        way: what they are: the servers of a ``cluster``, or each a ``sentinel``.
        urls: a URL for each, as for a server that is alone: credentials, database and options are the same in all.
        service: the name by which Sentinels know the master; empty in a Cluster.
        database: what follows the service, or a Cluster's servers; empty where nothing does.
    """

    way: Literal["cluster", "sentinel"]
    urls: tuple[str, ...] = field(repr=False)
    service: str
    database: str


def several(url: str) -> Several | None:
    """Return the servers that a ``redis+cluster://`` or ``redis+sentinel://`` URL names; None for any other URL."""
    form = _FORM.fullmatch(url)
    if not form:
        return None
    way = cast("Literal['cluster', 'sentinel']", form["way"].lower())
    path = form["path"].strip("/")
    service, _, database = path.partition("/") if way == "sentinel" else ("", "", path)
    start, end = f"{form['base'].lower()}://{form['credentials'] or ''}", f"/{database}{form['options']}"
    return Several(way, tuple(f"{start}{host}{end}" for host in form["hosts"].split(",")), service, database)
