"""The loader never harms a database, and the schema keeps its promises by itself, on a real PostgreSQL."""

import multiprocessing
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import Connection, errors, sql
from psycopg.rows import DictRow, dict_row

from dousell_cache.dousell.database import Counts, DatabaseOccupiedError, load
from dousell_cache.dousell.seed import EPOCH, Row, generate
from dousell_cache.local import Cloud

SIZE = 200
DATA = generate(1, SIZE)
COUNTS = Counts(*map(len, DATA))
SCHEMA = files("dousell_cache.dousell").joinpath("schema.sql").read_bytes()
TABLES = list(DATA._asdict())
PRIVATE = ["owners", "leases", "payments", "visits"]
NOON = datetime.fromisoformat("2026-03-02T12:00Z")
# Supabase's defaults, which the schema has to narrow.
GRANTS = "alter default privileges in schema public grant all on tables to anon, authenticated, service_role"
VISIT = """
    insert into visits (property_id, visitor_id, visitor_label, starts_at, ends_at, status)
    values (%s, gen_random_uuid(), 'Visiteur', %s, %s, %s)
"""


@contextmanager
def new_database(server_url: str) -> Iterator[str]:
    """Create an empty database in a server, granting as Supabase does, and drop it at the end."""
    name = f"dousell_{uuid.uuid4().hex}"
    url = urlsplit(server_url)._replace(path=f"/{name}").geturl()
    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        try:
            run(url, GRANTS)
            yield url
        finally:
            server.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def empty(cloud: Cloud) -> Iterator[str]:
    """The URL of an empty database of this test's own."""
    with new_database(cloud.postgres_url) as url:
        yield url


@pytest.fixture(scope="module")
def loaded(cloud: Cloud) -> Iterator[str]:
    """The URL of a loaded database; what tests change in it, they roll back."""
    with new_database(cloud.postgres_url) as url:
        load(url, properties=SIZE)
        yield url


@pytest.fixture
def site(loaded: str) -> Iterator[Connection[DictRow]]:
    """A connection to the loaded database whose transaction is rolled back."""
    with psycopg.connect(loaded, row_factory=dict_row) as connection:
        yield connection
        connection.rollback()


def run(url: str, *statements: str) -> list[Any]:
    """Run statements in one transaction and return the rows of the last, if it has any."""
    with psycopg.connect(url) as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def act_as(connection: Connection[DictRow], role: str, user: uuid.UUID | None = None) -> None:
    """Go on as a request of this role does, signed in as this user."""
    connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
    claims = f'{{"sub": "{user}"}}' if user else ""
    connection.execute("select set_config('request.jwt.claims', %s, true)", [claims])


def visible(connection: Connection[DictRow], table: str, columns: str = "id") -> list[Row]:
    """Select all rows that the connection may see, by id."""
    query = sql.SQL("select {} from {} order by id").format(
        sql.SQL(", ").join(map(sql.Identifier, columns.split(","))), sql.Identifier(table)
    )
    return connection.execute(query).fetchall()


def ids(rows: list[Row]) -> list[int]:
    """List the ids of rows."""
    return [row["id"] for row in rows]


def book(connection: Connection[Any], property_id: int, start: int, end: int, status: str = "booked") -> None:
    """Book a visit from so many minutes after noon to so many."""
    times = [NOON + timedelta(minutes=minutes) for minutes in (start, end)]
    connection.execute(VISIT, [property_id, *times, status])


# Loading


def test_the_rows_arrive_as_generated(site: Connection[DictRow]) -> None:
    """Every column of every generated row is in its table, and nothing else is."""
    for table, rows in DATA._asdict().items():
        assert visible(site, table, ",".join(rows[0])) == rows


def test_the_default_site_has_2000_properties(empty: str) -> None:
    """Without arguments the reports' own data is loaded, and the counts say what stands in the tables."""
    counts = load(empty)
    assert counts.properties == 2000
    for table, count in counts._asdict().items():
        assert run(empty, f"select count(*) from {table}") == [(count,)]  # noqa: S608 - our own table names


def test_loading_again_changes_nothing(empty: str) -> None:
    """A second load returns the same counts and leaves later changes alone."""
    load(empty, properties=SIZE)
    before = run(empty, "update properties set rent_xof = 1 where id = 1", "select digest, loaded_at from dousell_seed")
    assert load(empty, properties=SIZE) == COUNTS
    assert run(empty, "select digest, loaded_at from dousell_seed") == before
    assert run(empty, "select rent_xof from properties where id = 1") == [(1,)]


def test_one_of_many_processes_loads(empty: str) -> None:
    """Processes that load at the same moment all succeed, and the rows are there once."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(4, mp_context=context) as pool:
        loads = [pool.submit(load, empty, 1, SIZE) for _ in range(4)]
        assert [future.result() for future in loads] == [COUNTS] * 4
    assert run(empty, "select count(*) from dousell_seed") == [(1,)]


@pytest.mark.parametrize(
    ("create", "named"),
    [
        ("create table customers (id int)", "public.customers"),
        ("create table properties (id int)", "public.properties"),
        ("create schema crm create table deals (id int)", "crm.deals"),
        ("create view figures as select 1 as one", "public.figures"),
    ],
)
def test_a_database_with_anything_in_it_is_refused(empty: str, create: str, named: str) -> None:
    """A table or view of somebody's, in whatever schema, is named in the refusal, and nothing is added beside it."""
    run(empty, create)
    with pytest.raises(DatabaseOccupiedError, match=rf"^database 'dousell_\w+' holds {named}, which is not .* empty"):
        load(empty, properties=SIZE)
    tables = "select count(*) from pg_class where relname in ('cities', 'dousell_seed') or relkind in ('i', 'S')"
    assert run(empty, tables + " and relnamespace = 'public'::regnamespace") == [(0,)]


@pytest.mark.parametrize(("seed", "properties"), [(2, SIZE), (1, SIZE + 1)])
def test_other_data_is_refused_not_replaced(loaded: str, seed: int, properties: int) -> None:
    """Data of another seed or size stays, and the refusal says which data is there."""
    with pytest.raises(DatabaseOccupiedError, match=rf"seed 1, {SIZE} properties\); load into an empty database"):
        load(loaded, seed, properties)
    assert run(loaded, "select seed, properties from dousell_seed") == [(1, SIZE)]


def test_tables_of_the_platform_are_no_obstacle(cloud: Cloud, empty: str) -> None:
    """A new Supabase project is empty although its services and extensions own tables in it."""
    role = f"supabase_{uuid.uuid4().hex}"
    run(cloud.postgres_url, f"create role {role}")
    try:
        run(empty, f"create schema auth authorization {role} create table users (id int)")
        run(empty, f"alter table auth.users owner to {role}")
        run(empty, "create extension vector", "create table part (id int)", "alter extension vector add table part")
        assert load(empty, properties=SIZE) == COUNTS
    finally:
        run(empty, f"drop owned by {role} cascade")
        run(cloud.postgres_url, f"drop role {role}")


def test_a_failed_load_leaves_nothing(empty: str) -> None:
    """An error half-way takes back the whole load, which succeeds once its cause is gone."""
    run(empty, "create domain visits as int")
    with pytest.raises(errors.DuplicateObject):
        load(empty, properties=SIZE)
    assert run(empty, "select to_regclass('cities')") == [(None,)]
    run(empty, "drop domain visits")
    assert load(empty, properties=SIZE) == COUNTS


@pytest.mark.parametrize(
    "url",
    [
        "",
        "postgresql://me:secret@localhost",
        "host=localhost user=me password=secret dbname=",
        "postgre://me:secret@localhost/shop",
        "postgresql://me:s%zzecret@localhost/shop",
    ],
)
def test_a_url_without_a_database_is_refused(url: str) -> None:
    """The environment's database is never taken instead, and the refusal shows the right form, not the password."""
    with pytest.raises(ValueError, match=r"^url must be a PostgreSQL URL that names its database: ") as caught:
        load(url, properties=1)
    assert "ecret" not in f"{caught.value!r}{caught.value.__context__!r}"


def test_an_unreachable_server_shows_no_password() -> None:
    """The error says where the server was expected and keeps the password."""
    with pytest.raises(psycopg.OperationalError, match=r"127\.0\.0\.1") as caught:
        load("postgresql://me:secret@127.0.0.1:1/shop", properties=1)
    assert "secret" not in str(caught.value)


def test_postgrest_is_told(empty: str) -> None:
    """A PostgREST on the database hears that its schema has changed."""
    with psycopg.connect(empty, autocommit=True) as listener:
        listener.execute("listen pgrst")
        load(empty, properties=SIZE)
        heard = [notice.payload for notice in listener.notifies(timeout=10, stop_after=1)]
    assert heard == ["reload schema"]


# The schema as such


def test_applying_the_schema_again_changes_nothing(site: Connection[DictRow]) -> None:
    """On a loaded database the schema can be applied once more and every row stays."""
    site.execute(SCHEMA)
    assert {table: len(visible(site, table)) for table in TABLES} == COUNTS._asdict()


def test_missing_roles_are_named(empty: str) -> None:
    """Without Supabase's roles the schema says which ones to create."""
    with psycopg.connect(empty) as connection:
        connection.execute("alter role service_role rename to service_role_away")  # seen by this transaction alone
        with pytest.raises(errors.RaiseException, match="create anon, authenticated and service_role first"):
            connection.execute(SCHEMA)
        connection.rollback()


@pytest.mark.parametrize(
    "statement",
    [
        "update properties set rent_xof = 0",
        "update properties set kind = 'castle'",
        "update payments set period = '2025-05-02' where id = 1",
        "update payments set fence = -1",
        "update payments set status = 'pending' where id = 1",
        "update leases set ends_on = starts_on",
        "update visits set ends_at = starts_at",
        "update visits set starts_at = starts_at + interval '1 second'",
        "update visits set ends_at = ends_at + interval '5 hours'",
    ],
)
def test_nonsense_is_refused(site: Connection[DictRow], statement: str) -> None:
    """Values that cannot be true fail their check, whoever writes them."""
    with pytest.raises(errors.CheckViolation):
        site.execute(statement.encode())


def test_new_rows_are_numbered_after_the_loaded(site: Connection[DictRow]) -> None:
    """An insert without an id, by the site's server, gets the next free one."""
    act_as(site, "service_role")
    book(site, 1, 0, 30)
    assert visible(site, "visits")[-1]["id"] == COUNTS.visits + 1


def test_an_update_is_dated(site: Connection[DictRow]) -> None:
    """Every update of a property moves its updated_at, the second in a transaction too."""
    update = "update properties set title = 'x' where id = 1 returning updated_at"
    first, second = (site.execute(update).fetchall()[0]["updated_at"] for _ in range(2))
    assert EPOCH < first < second


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("select * from properties where published order by created_at desc limit 20", "properties_newest"),
        ("select * from properties where id = 7", "properties_pkey"),
        ("select * from properties where published and city_id = 1 and rent_xof < 90000", "properties_search"),
        ("select * from properties where owner_id = 3", "properties_owner"),
        ("select * from leases where property_id = 3", "leases_property"),
        ("select * from payments where lease_id = 3 and period = '2026-01-01'", "payments_lease_id_period_key"),
        ("select * from visits where property_id = 3 and starts_at >= '2026-01-15'", "visits_calendar"),
    ],
)
def test_every_use_case_has_its_index(site: Connection[DictRow], query: str, index: str) -> None:
    """What the seven use cases ask for is answered from an index when the table is too large to be read whole."""
    site.execute("set local enable_seqscan = off")
    plan = "\n".join(line["QUERY PLAN"] for line in site.execute(b"explain " + query.encode()).fetchall())
    assert index in plan
    assert ("Sort" not in plan) if "order by" in query else ("Index Cond" in plan), plan


# Rents and visits


def test_a_month_is_paid_once(site: Connection[DictRow]) -> None:
    """A second payment of the same lease and month is refused by the database."""
    again = "insert into payments (lease_id, period, amount_xof, status, channel, reference, paid_at)"
    copy = " select lease_id, period, amount_xof, status, channel, 'again', paid_at from payments where id = 1"
    with pytest.raises(errors.UniqueViolation):
        site.execute((again + copy).encode())


def test_a_property_has_one_running_lease(site: Connection[DictRow]) -> None:
    """A second open-ended lease of a property is refused."""
    query = """
        insert into leases (property_id, tenant_id, tenant_label, rent_xof, starts_on)
        select property_id, gen_random_uuid(), 'Locataire', rent_xof, starts_on from leases where ends_on is null
    """
    with pytest.raises(errors.UniqueViolation):
        site.execute(query)


@pytest.mark.parametrize(("start", "end"), [(0, 30), (-10, 1), (29, 31), (-60, 60), (10, 20)])
def test_overlapping_visits_are_refused(site: Connection[DictRow], start: int, end: int) -> None:
    """However two visits of a property overlap, equal, crossing, around or inside, the second is refused."""
    book(site, 7, 0, 30)
    with pytest.raises(errors.ExclusionViolation):
        book(site, 7, start, end)


def test_visits_that_do_not_meet_are_booked(site: Connection[DictRow]) -> None:
    """Next to each other, in another property (also the neighbours by id) or over a cancelled one: all allowed."""
    for property_id in (6, 7, 8):
        book(site, property_id, 0, 30)
    book(site, 7, 30, 60)
    book(site, 7, -30, 0)
    book(site, 7, 0, 30, "cancelled")


def test_a_moved_visit_is_checked_too(site: Connection[DictRow]) -> None:
    """Rescheduling or reviving a visit into a taken slot is refused."""
    book(site, 7, 0, 30)
    book(site, 7, 0, 30, "cancelled")
    with pytest.raises(errors.ExclusionViolation):
        site.execute("update visits set status = 'booked' where status = 'cancelled'")


def test_a_second_booking_waits_its_turn(empty: str) -> None:
    """An overlapping booking waits for the first in the queue, not inside the constraint, where two can deadlock."""
    load(empty, properties=20)
    waiting = "select wait_event from pg_stat_activity where pid = %s and wait_event_type = 'Lock'"
    with (
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(empty) as second,
        psycopg.connect(empty, autocommit=True) as watcher,
        psycopg.connect(empty) as first,  # ends first, whatever happens, so that the second can end
    ):
        book(first, 9, 0, 30)
        attempt = pool.submit(book, second, 9, 15, 45)
        deadline = time.monotonic() + 20
        while not (event := watcher.execute(waiting, [second.info.backend_pid]).fetchone()):
            assert time.monotonic() < deadline
        first.commit()
        assert event == ("advisory",)
        with pytest.raises(errors.ExclusionViolation):
            attempt.result()


# Who sees what


def test_a_visitor_sees_what_is_published(site: Connection[DictRow]) -> None:
    """Anon reads every city and the published properties, no others."""
    act_as(site, "anon")
    assert ids(visible(site, "cities")) == ids(DATA.cities)
    assert ids(visible(site, "properties")) == [p["id"] for p in DATA.properties if p["published"]]
    assert len(ids(visible(site, "properties"))) < SIZE


@pytest.mark.parametrize("table", [*PRIVATE, "dousell_seed"])
def test_a_visitor_sees_nothing_private(site: Connection[DictRow], table: str) -> None:
    """Anon may not even ask for owners, leases, payments, visits or the loader's own marker."""
    act_as(site, "anon")
    with pytest.raises(errors.InsufficientPrivilege):
        site.execute(sql.SQL("select 1 from {}").format(sql.Identifier(table)))


@pytest.mark.parametrize("table", PRIVATE)
def test_a_stranger_who_signed_in_sees_nothing_private(site: Connection[DictRow], table: str) -> None:
    """Signing in opens nobody else's rows."""
    act_as(site, "authenticated", uuid.uuid4())
    assert visible(site, table) == []


def test_an_owner_sees_what_is_theirs(site: Connection[DictRow]) -> None:
    """An owner reads their own record, unpublished properties, leases, payments and visits, and no others'."""
    owner = DATA.owners[0]
    act_as(site, "authenticated", owner["user_id"])
    mine = {p["id"] for p in DATA.properties if p["owner_id"] == owner["id"]}
    leases = [lease["id"] for lease in DATA.leases if lease["property_id"] in mine]
    assert ids(visible(site, "owners")) == [owner["id"]]
    assert mine | {p["id"] for p in DATA.properties if p["published"]} == set(ids(visible(site, "properties")))
    assert ids(visible(site, "leases")) == leases
    assert ids(visible(site, "payments")) == [p["id"] for p in DATA.payments if p["lease_id"] in leases]
    assert ids(visible(site, "visits")) == [v["id"] for v in DATA.visits if v["property_id"] in mine]


def test_tenants_and_visitors_see_their_own(site: Connection[DictRow]) -> None:
    """A tenant reads their lease and its payments, a visitor their visit."""
    lease, visit = DATA.leases[3], DATA.visits[3]
    act_as(site, "authenticated", lease["tenant_id"])
    assert ids(visible(site, "leases")) == [lease["id"]]
    assert ids(visible(site, "payments")) == [p["id"] for p in DATA.payments if p["lease_id"] == lease["id"]]
    act_as(site, "authenticated", visit["visitor_id"])
    assert ids(visible(site, "visits")) == [visit["id"]]


@pytest.mark.parametrize("role", ["anon", "authenticated"])
@pytest.mark.parametrize("table", [*TABLES, "dousell_seed"])
def test_browsers_write_nothing(site: Connection[DictRow], role: str, table: str) -> None:
    """Neither role may insert, update or delete: writes go through the site's server."""
    act_as(site, role, DATA.owners[0]["user_id"])
    for privilege in ("insert", "update", "delete", "truncate"):
        asked = site.execute("select has_table_privilege(current_user, %s, %s) as may", [table, privilege])
        assert asked.fetchall() == [{"may": False}], privilege


def test_the_server_sees_and_writes_everything(site: Connection[DictRow]) -> None:
    """service_role reads every row and may change it."""
    act_as(site, "service_role")
    assert {table: len(visible(site, table)) for table in TABLES} == COUNTS._asdict()
    assert site.execute("update properties set rent_xof = 100000").rowcount == SIZE


# The dashboard


def dashboard(connection: Connection[DictRow], owner_id: int) -> Any:
    """Ask for an owner's dashboard as of the epoch."""
    query = "select owner_dashboard(%s, %s) as found"
    return connection.execute(query, [owner_id, EPOCH.date()]).fetchall()[0]["found"]


def test_the_dashboard_adds_up(site: Connection[DictRow]) -> None:
    """For every owner its counts, sums and lists are those of the generated rows."""
    paid = {
        p["lease_id"] for p in DATA.payments if p["period"] == EPOCH.date().replace(day=1) and p["status"] == "paid"
    }
    for owner in DATA.owners:
        found = dashboard(site, owner["id"])
        mine = {p["id"]: p for p in DATA.properties if p["owner_id"] == owner["id"]}
        running = [row for row in DATA.leases if row["property_id"] in mine and row["ends_on"] is None]
        coming = [v for v in DATA.visits if v["property_id"] in mine and v["status"] == "booked"]
        assert found["owner"] == {"id": owner["id"], "label": owner["label"]}
        assert found["properties"] == len(mine)
        assert found["published"] == sum(p["published"] for p in mine.values())
        assert found["let"] == len(running)
        assert found["rent_due_xof"] == sum(row["rent_xof"] for row in running)
        assert found["rent_paid_xof"] == sum(row["rent_xof"] for row in running if row["id"] in paid)
        assert [row["lease_id"] for row in found["unpaid"]] == [row["id"] for row in running if row["id"] not in paid]
        assert ids(found["visits"]) == ids(sorted(coming, key=lambda v: (v["starts_at"], v["id"])))[:10]


def test_a_dashboard_is_its_owners(site: Connection[DictRow]) -> None:
    """An owner gets their own dashboard and null for another's; a visitor may not ask."""
    act_as(site, "authenticated", DATA.owners[0]["user_id"])
    assert dashboard(site, 1)["properties"] == sum(p["owner_id"] == 1 for p in DATA.properties)
    assert dashboard(site, 2) is None
    act_as(site, "anon")
    with pytest.raises(errors.InsufficientPrivilege):
        dashboard(site, 1)
