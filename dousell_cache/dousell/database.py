"""Loads Dousell's synthetic data into PostgreSQL, without risk to anybody's real database.

The law here: nothing deletes, truncates or overwrites. A database that holds no table is filled, one that already
holds exactly this data is left as it is, and any other is refused. Needs psycopg, from the extra `[lab]`.
"""

import hashlib
from importlib.resources import files
from typing import NamedTuple

import psycopg
from psycopg import Connection, sql
from psycopg.conninfo import conninfo_to_dict

from ..errors import CacheError
from .seed import Dataset, Row, digest, generate

_ADVISORY_LOCK = 0x_D005_E11  # one loader at a time in a database

# The first table or view that is somebody's: not an extension's, and not one of those that Supabase's service roles
# (auth, storage, realtime) own in every new project.
_FOREIGN_TABLE = r"""
    select format('%I.%I', n.nspname, c.relname)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f')
      and n.nspname <> 'information_schema' and n.nspname not like 'pg\_%'
      and pg_get_userbyid(c.relowner) not like 'supabase\_%'
      and not exists (
        select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
      )
    order by 1 limit 1
"""

# No business of a browser's, whatever rights the server gives on a new table.
_MARKER = """
    create table public.dousell_seed (
      digest text primary key, seed numeric not null, properties bigint not null,
      loaded_at timestamptz not null default now()
    );
    alter table public.dousell_seed enable row level security;
    revoke all on public.dousell_seed from anon, authenticated;
"""


class DatabaseOccupiedError(CacheError):
    """The database holds something else, and was left untouched."""


class Counts(NamedTuple):
    """How many rows of each table were generated and loaded."""

    cities: int
    owners: int
    properties: int
    leases: int
    payments: int
    visits: int


def load(url: str, seed: int = 1, properties: int = 2000) -> Counts:
    """Load Dousell's schema and synthetic data into an empty database, in one transaction.

    Call it again, or from several processes at once: the first loads, the others wait and find the data there. What
    was changed since it was loaded stays changed.

    Args:
        url: a PostgreSQL URL that names its database, of a role that may create tables; the server has Supabase's
            roles anon, authenticated and service_role.
        seed: picks the data, see `generate`; 1 is what the reports use.
        properties: how many properties, at least 1; 2,000 is a site of Dousell's size.

    Returns:
        The number of rows in each table as loaded.

    Raises:
        ValueError: if `url` is not such a URL, or `properties` is smaller than 1.
        DatabaseOccupiedError: if the database holds other tables, or this data from another seed, size or version.
        psycopg.Error: if the server cannot be reached or refuses; nothing was loaded.
    """
    data = generate(seed, properties)
    schema = files(__package__).joinpath("schema.sql").read_bytes()
    version = hashlib.sha256(schema + digest(data).encode()).hexdigest()
    with psycopg.connect(_checked(url), connect_timeout=10) as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", [_ADVISORY_LOCK])
        if not _is_loaded(connection, version):
            _require_empty(connection)
            connection.execute(schema)
            _copy(connection, data)
            connection.execute(_MARKER)
            marker = "insert into public.dousell_seed (digest, seed, properties) values (%s, %s, %s)"
            connection.execute(marker, [version, seed, properties])
    return Counts(*map(len, data))


def _checked(url: str) -> str:
    try:
        named = conninfo_to_dict(url).get("dbname")
    except psycopg.ProgrammingError:  # its message would repeat the URL, password included
        named = None
    if not named:  # libpq would take the environment's database instead
        raise ValueError("url must be a PostgreSQL URL that names its database: postgresql://user@host:5432/dousell")
    return url


def _is_loaded(connection: Connection, version: str) -> bool:
    if connection.execute("select to_regclass('public.dousell_seed')").fetchone() == (None,):
        return False
    marker = connection.execute("select digest, seed, properties from public.dousell_seed").fetchone()
    digest, seed, properties = marker or ("", "no", "no")
    if digest != version:
        raise DatabaseOccupiedError(
            f"database {connection.info.dbname!r} already holds Dousell's data from another seed, size or version of "
            f"this package (seed {seed}, {properties} properties); load into an empty database instead"
        )
    return True


def _require_empty(connection: Connection) -> None:
    if table := connection.execute(_FOREIGN_TABLE).fetchone():
        raise DatabaseOccupiedError(
            f"database {connection.info.dbname!r} holds {table[0]}, which is not Dousell's synthetic data; load into "
            "an empty database instead"
        )


def _copy(connection: Connection, data: Dataset) -> None:
    for name, rows in data._asdict().items():
        if rows:  # one property alone may have no lease
            _copy_table(connection, name, rows)
    connection.execute(
        "analyze public.cities, public.owners, public.properties, public.leases, public.payments, public.visits"
    )


def _copy_table(connection: Connection, name: str, rows: list[Row]) -> None:
    columns = sql.SQL(", ").join(map(sql.Identifier, rows[0]))
    statement = sql.SQL("copy {} ({}) from stdin").format(sql.Identifier("public", name), columns)
    with connection.cursor().copy(statement) as copy:
        for row in rows:
            copy.write_row(list(row.values()))
    # Ids were given with the rows: the table's own numbering goes on after them.
    connection.execute("select setval(pg_get_serial_sequence(%s, 'id'), %s)", [f"public.{name}", len(rows)])
