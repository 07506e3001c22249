"""The ledger has the last word: one row a month, fences, idempotency keys; through PostgREST and past it."""

import asyncio
import os
import signal
import socket
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import date

import psycopg
import pytest
import pytest_asyncio
from psycopg import errors, sql
from psycopg.conninfo import make_conninfo

from dousell_cache.dousell import ledger as ledgers
from dousell_cache.dousell.ledger import (
    Ledger,
    LedgerConflict,
    LedgerError,
    LedgerRefused,
    LedgerUnavailable,
    PostgresLedger,
    SupabaseLedger,
    checked_answer,
    sort_failure,
    supabase_ledger,
)
from dousell_cache.dousell.receipts import Rent
from dousell_cache.local import Cloud
from dousell_cache.local.process import free_ports

from .conftest import WaitUntil
from .rents import LEDGERS, claiming, gateway, new_rent, new_visit, opened, owner_of, rows, run, second_of_two, settling

FUNCTIONS = ["claim_payment", "settle_payment", "find_payment", "queue_for_visit", "book_visit", "free_slots"]
FAILING = """
    create or replace function public.fails_with(code text) returns jsonb language plpgsql set search_path = '' as $$
    begin raise exception 'as ordered' using errcode = code; end $$
"""


@pytest_asyncio.fixture(params=LEDGERS)
async def ledger(request: pytest.FixtureRequest, cloud: Cloud) -> AsyncIterator[Ledger]:
    """The ledger, either way to it."""
    async with opened(request.param, cloud) as ledger:
        yield ledger


@pytest.fixture
def rent(cloud: Cloud) -> Rent:
    """A rent that nobody has tried to pay."""
    return new_rent(cloud)


@pytest.fixture
def failing(cloud: Cloud, wait_until: WaitUntil) -> Iterator[None]:
    """A function in the database that fails as it is told, known to PostgREST."""
    new_rent(cloud)
    run(cloud, FAILING)

    async def known() -> bool:
        async with opened("supabase", cloud) as ledger:
            try:
                await ledger.call("fails_with", {"code": "P0001"})
            except LedgerError as error:
                return error.code == "P0001"
        return False

    wait_until(lambda: asyncio.run(known()))
    yield
    run(cloud, "drop function public.fails_with")


# Claiming and settling


async def test_a_claim_opens_the_month(ledger: Ledger, cloud: Cloud, rent: Rent) -> None:
    """The first claim makes the month's row, pending, with its reference and fence, and tells whose rent it is."""
    answer = await ledger.call("claim_payment", claiming(rent, 7))
    (row,) = rows(cloud, rent)
    assert (answer["answer"], answer["owner_id"], answer["high_water"]) == ("claimed", owner_of(cloud, rent), 7)
    assert (row["status"], row["fence"], row["attempt"], row["paid_at"]) == ("pending", 7, 1, None)
    assert answer["payment"]["reference"] == row["reference"] == f"RENT-{rent.lease_id}-203103-1"
    assert answer["payment"]["amount_xof"] == rent.amount_xof


async def test_a_settlement_closes_it(ledger: Ledger, cloud: Cloud, rent: Rent) -> None:
    """What the provider has said is written down: outcome, time and the channel that was used."""
    await ledger.call("claim_payment", claiming(rent, 7))
    paid = settling(rent, 7, paid_at="2031-03-04T05:06:07+00:00", channel="card")
    answer = await ledger.call("settle_payment", paid)
    (row,) = rows(cloud, rent)
    assert (answer["answer"], answer["payment"]["status"]) == ("settled", "paid")
    assert (row["status"], row["channel"], f"{row['paid_at']:%Y-%m-%dT%H:%M:%S}") == (
        "paid",
        "card",
        paid["paid_at"][:19],
    )


async def test_a_settlement_may_be_repeated(ledger: Ledger, rent: Rent) -> None:
    """Whoever did not hear the answer says it again and hears the same."""
    await ledger.call("claim_payment", claiming(rent, 7))
    first, second = [await ledger.call("settle_payment", settling(rent, 7)) for _ in range(2)]
    assert first == second


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        ({"reference": "RENT-1-203103-9"}, "other_reference"),
        ({"outcome": "failed"}, "contradicted"),
        ({"period": "2031-04-01"}, "unclaimed"),
        ({"lease_id": 0}, "unclaimed"),
        ({"fence": 6}, "stale"),
    ],
)
async def test_a_settlement_that_does_not_fit_changes_nothing(
    ledger: Ledger, cloud: Cloud, rent: Rent, arguments: dict[str, object], answer: str
) -> None:
    """Another attempt's reference, another outcome than the settled one, a month nobody claimed, a small fence."""
    await ledger.call("claim_payment", claiming(rent, 7))
    await ledger.call("settle_payment", settling(rent, 7))
    before = rows(cloud, rent)
    assert (await ledger.call("settle_payment", settling(rent, 7) | arguments))["answer"] == answer
    assert rows(cloud, rent) == before


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        ({"amount_xof": 1}, "wrong_amount"),
        ({"period": "2020-01-01"}, "not_due"),
        ({"lease_id": 0}, "no_such_lease"),
    ],
)
async def test_what_is_not_owed_is_not_claimed(
    ledger: Ledger, cloud: Cloud, rent: Rent, arguments: dict[str, object], answer: str
) -> None:
    """Another amount than the rent, a month before the lease, no lease: an answer each, and no row or key."""
    said = await ledger.call("claim_payment", claiming(rent, 7) | arguments)
    assert (said["answer"], said["payment"]) == (answer, None)
    assert rows(cloud, rent) == []
    assert (await ledger.call("claim_payment", claiming(rent, 7)))["answer"] == "claimed"


async def test_a_month_after_the_lease_is_not_due(ledger: Ledger, cloud: Cloud) -> None:
    """The month in which a lease ends is owed, the next is not."""
    lease = run(cloud, "select id, rent_xof from leases where ends_on = '2025-10-01' order by id limit 1")[0]
    ended = Rent(lease["id"], date(2025, 10, 1), lease["rent_xof"], "wave", uuid.uuid4().hex)
    assert (await ledger.call("claim_payment", claiming(ended, 1)))["answer"] == "not_due"
    run(cloud, "update leases set ends_on = '2025-10-02' where id = %s", ended.lease_id)
    assert (await ledger.call("claim_payment", claiming(ended, 1)))["answer"] == "claimed"


@pytest.mark.parametrize(
    "arguments",
    [
        {"channel": "cash"},
        {"idempotency_key": ""},
        {"idempotency_key": "k" * 256},
        {"fence": -1},
        {"fence": 2**53},
        {"period": "2031-03-02"},
    ],
)
async def test_nonsense_is_refused(ledger: Ledger, cloud: Cloud, rent: Rent, arguments: dict[str, object]) -> None:
    """An unknown channel, a key that is none or too long, a fence of no lock's, no first day: an error, no row."""
    with pytest.raises(LedgerRefused, match=r"^claim_payment: ") as refused:
        await ledger.call("claim_payment", claiming(rent, 7) | arguments)
    assert refused.value.code == "23514"
    assert rows(cloud, rent) == []


# Fences


@pytest.mark.parametrize(("fence", "answer", "left"), [(6, "stale", 7), (7, "taken_over", 7), (8, "taken_over", 8)])
async def test_a_fence_below_the_rows_is_refused(
    ledger: Ledger, cloud: Cloud, rent: Rent, fence: int, answer: str, left: int
) -> None:
    """A smaller fence is told the high-water mark and changes nothing; an equal or larger one takes the row over."""
    await ledger.call("claim_payment", claiming(rent, 7))
    said = await ledger.call("claim_payment", claiming(rent, fence, idempotency_key=uuid.uuid4().hex))
    assert (said["answer"], said["high_water"], rows(cloud, rent)[0]["fence"]) == (answer, left, left)


async def test_a_row_that_was_taken_over_is_not_settled_by_its_first_holder(
    ledger: Ledger, cloud: Cloud, rent: Rent
) -> None:
    """The paused holder's settlement is refused, with the mark; the new holder's, of the same reference, is taken."""
    await ledger.call("claim_payment", claiming(rent, 7))
    taken = await ledger.call("claim_payment", claiming(rent, 8, idempotency_key=uuid.uuid4().hex))
    late = await ledger.call("settle_payment", settling(rent, 7, "failed"))
    assert (late["answer"], late["high_water"], late["payment"]["status"]) == ("stale", 8, "pending")
    assert (await ledger.call("settle_payment", settling(rent, 8)))["answer"] == "settled"
    assert taken["payment"]["reference"] == rows(cloud, rent)[0]["reference"]


# Idempotency


async def test_a_key_gets_its_first_answer_again(ledger: Ledger, cloud: Cloud, rent: Rent) -> None:
    """The same key with the same parameters hears that it paid; another key hears that the month is paid."""
    await ledger.call("claim_payment", claiming(rent, 7))
    await ledger.call("settle_payment", settling(rent, 7))
    before = rows(cloud, rent)
    again = await ledger.call("claim_payment", claiming(rent, 8))
    other = await ledger.call("claim_payment", claiming(rent, 8, idempotency_key=uuid.uuid4().hex))
    assert (again["answer"], other["answer"]) == ("paid", "already_paid")
    assert again["payment"] == other["payment"]
    assert rows(cloud, rent) == before


async def test_after_a_failure_a_new_key_tries_again_in_place(ledger: Ledger, cloud: Cloud, rent: Rent) -> None:
    """A failed attempt stays failed for its key, whatever comes later; a new key begins a new attempt."""
    await ledger.call("claim_payment", claiming(rent, 7))
    await ledger.call("settle_payment", settling(rent, 7, "failed"))
    assert (await ledger.call("claim_payment", claiming(rent, 8)))["answer"] == "failed"
    second = await ledger.call("claim_payment", claiming(rent, 9, idempotency_key="second-" + rent.key))
    assert (second["answer"], second["payment"]["attempt"]) == ("claimed", 2)
    assert second["payment"]["reference"] == f"RENT-{rent.lease_id}-203103-2"
    late = await ledger.call("claim_payment", claiming(rent, 10))
    assert (late["answer"], late["payment"]["status"]) == ("failed", "pending")
    await ledger.call("settle_payment", settling(rent, 9, attempt=2))
    assert (await ledger.call("claim_payment", claiming(rent, 11)))["answer"] == "failed"
    assert [row["status"] for row in rows(cloud, rent)] == ["paid"]


async def test_keys_that_meet_one_attempt_share_its_outcome(ledger: Ledger, rent: Rent) -> None:
    """Whoever takes a pending attempt over hears what came of it, as does its first key."""
    other = "other-" + rent.key
    await ledger.call("claim_payment", claiming(rent, 7))
    await ledger.call("claim_payment", claiming(rent, 8, idempotency_key=other))
    await ledger.call("settle_payment", settling(rent, 8))
    for key in (rent.key, other):
        assert (await ledger.call("claim_payment", claiming(rent, 9, idempotency_key=key)))["answer"] == "paid"


@pytest.mark.parametrize("changed", ["amount_xof", "channel", "period", "lease_id"])
@pytest.mark.parametrize("settled", [False, True])
async def test_a_key_stands_for_its_parameters(
    ledger: Ledger, cloud: Cloud, rent: Rent, changed: str, settled: bool
) -> None:
    """The same key with another amount, channel, month or lease is refused, and starts nothing."""
    await ledger.call("claim_payment", claiming(rent, 7))
    if settled:
        await ledger.call("settle_payment", settling(rent, 7))
    elsewhere = new_rent(cloud)
    values = {"amount_xof": 1, "channel": "card", "period": "2031-04-01", "lease_id": elsewhere.lease_id}
    said = await ledger.call("claim_payment", claiming(rent, 8) | {changed: values[changed]})
    assert said["answer"] == "key_reused"
    assert rows(cloud, elsewhere) == []
    assert [row["fence"] for row in rows(cloud, rent)] == [7]


async def test_a_pending_month_of_old_data_is_taken_over(ledger: Ledger, cloud: Cloud, rent: Rent) -> None:
    """A pending row that no key stands for keeps its reference and its amount."""
    insert = (
        "insert into payments (lease_id, period, amount_xof, status, channel, reference) values (%s, %s, 5, %s, %s, %s)"
    )
    run(cloud, insert, rent.lease_id, rent.period, "pending", "card", f"OLD-{rent.lease_id}")
    assert (await ledger.call("claim_payment", claiming(rent, 7)))["answer"] == "wrong_amount"
    said = await ledger.call("claim_payment", claiming(rent, 7, amount_xof=5))
    assert (said["answer"], said["payment"]["reference"]) == ("taken_over", f"OLD-{rent.lease_id}")


# At the same moment


async def test_claims_at_the_same_moment_make_one_row(cloud: Cloud, rent: Rent) -> None:
    """Of many processes that claim a month at once without any lock, one opens it, whatever their keys and fences."""
    ledgers = [PostgresLedger(cloud.postgres_url) for _ in range(8)]
    claims = [claiming(rent, fence, idempotency_key=f"{fence}-{rent.key}") for fence in range(8)]
    said = await asyncio.gather(*(one.call("claim_payment", claim) for one, claim in zip(ledgers, claims, strict=True)))
    await asyncio.gather(*(one.close() for one in ledgers))
    kinds = [one["answer"] for one in said]
    assert kinds.count("claimed") == 1
    assert set(kinds) <= {"claimed", "taken_over", "stale"}
    assert len({one["payment"]["reference"] for one in said}) == len(rows(cloud, rent)) == 1


@pytest.mark.parametrize(("fence", "answer"), [(6, "stale"), (8, "taken_over")])
def test_a_claim_waits_for_the_one_under_way(cloud: Cloud, rent: Rent, fence: int, answer: str) -> None:
    """Two claims of a month that overlap are judged one after the other: the second meets the row of the first."""
    second = claiming(rent, fence, idempotency_key=uuid.uuid4().hex)
    assert second_of_two(cloud, "claim_payment", claiming(rent, 7), second)["answer"] == answer
    assert [row["fence"] for row in rows(cloud, rent)] == [max(7, fence)]


def test_a_key_waits_for_itself(cloud: Cloud, rent: Rent) -> None:
    """One key that is used for two leases at once stands for the first."""
    elsewhere = new_rent(cloud, key=rent.key)
    said = second_of_two(cloud, "claim_payment", claiming(rent, 7), claiming(elsewhere, 7))
    assert said["answer"] == "key_reused"
    assert rows(cloud, elsewhere) == []


# Who may


@pytest.mark.parametrize("role", ["anon", "authenticated", "public"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_browsers_call_nothing(cloud: Cloud, role: str, function: str) -> None:
    """No role but the server's may execute a function that writes or tells who visits whom."""
    new_rent(cloud)
    may = "select has_function_privilege(%s, oid, 'execute') as may from pg_proc where proname = %s"
    assert [row["may"] for row in run(cloud, may, role, function)] == [False]
    assert [row["may"] for row in run(cloud, may, "service_role", function)] == [True]


async def test_the_public_key_pays_nothing(cloud: Cloud, rent: Rent) -> None:
    """Through PostgREST with a browser's key, each function is refused for want of rights."""
    visit = new_visit(cloud)
    slot = {"starts_at": visit.slot.starts_at.isoformat(), "ends_at": visit.slot.ends_at.isoformat()}
    booking = {"property_id": visit.property_id, "visitor_id": str(visit.visitor_id), "visitor_label": "x", "fence": 1}
    calls: dict[str, dict[str, object]] = {
        "claim_payment": claiming(rent, 7),
        "settle_payment": settling(rent, 7),
        "find_payment": {"lease_id": rent.lease_id, "period": rent.period},
        "book_visit": booking | slot,
        "free_slots": {"property_id": visit.property_id, "day": "2031-03-03"},
    }
    async with supabase_ledger(str(cloud.supabase_url), cloud.supabase_anon_key) as browser:
        for function, arguments in calls.items():
            with pytest.raises(LedgerRefused) as refused:
                await browser.call(function, arguments)
            assert refused.value.code == "42501"
    assert rows(cloud, rent) == []


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_browsers_see_no_keys(cloud: Cloud, role: str) -> None:
    """Idempotency keys are behind row level security, and no browser may even ask for them."""
    new_rent(cloud)
    query = "select relrowsecurity as on from pg_class where oid = 'public.payment_keys'::regclass"
    assert run(cloud, query) == [{"on": True}]
    with psycopg.connect(cloud.postgres_url) as connection:
        connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("select * from payment_keys")


async def test_a_payment_is_seen_by_its_tenant_alone(cloud: Cloud, rent: Rent) -> None:
    """What the functions wrote is behind row level security like every payment."""
    async with opened("supabase", cloud) as ledger:
        await ledger.call("claim_payment", claiming(rent, 7))
    (lease,) = run(cloud, "select tenant_id from leases where id = %s", rent.lease_id)
    for user, seen in [(lease["tenant_id"], 1), (uuid.uuid4(), 0)]:
        with psycopg.connect(cloud.postgres_url) as connection:
            connection.execute("set local role authenticated")
            connection.execute("select set_config('request.jwt.claims', %s, true)", [f'{{"sub": "{user}"}}'])
            query = "select count(*) from payments where lease_id = %s and period = %s"
            assert connection.execute(query, [rent.lease_id, rent.period]).fetchall() == [(seen,)]


def test_functions_look_nowhere_else(cloud: Cloud) -> None:
    """Every function resolves its names in the schemas it names: no path can slip another table under it."""
    new_rent(cloud)
    query = "select proname, proconfig from pg_proc where pronamespace = 'public'::regnamespace and proname = any(%s)"
    found = {row["proname"]: row["proconfig"][0] for row in run(cloud, query, FUNCTIONS)}
    assert found == dict.fromkeys(FUNCTIONS, 'search_path=""')


# What goes wrong


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("23505", LedgerConflict),
        ("23P01", LedgerConflict),
        ("40P01", LedgerUnavailable),
        ("53300", LedgerUnavailable),
        ("57014", LedgerUnavailable),
        ("57P01", LedgerUnavailable),
        ("P0001", LedgerRefused),
        ("23514", LedgerRefused),
    ],
)
@pytest.mark.usefixtures("failing")
async def test_failures_are_sorted(ledger: Ledger, code: str, kind: type[LedgerError]) -> None:
    """Each of PostgreSQL's codes is the same kind of failure, whichever way it comes; the code is kept."""
    with pytest.raises(kind) as failed:
        await ledger.call("fails_with", {"code": code})
    assert type(failed.value) is kind
    assert (failed.value.code, str(failed.value)) == (code, "fails_with: as ordered")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("", LedgerUnavailable),
        ("502", LedgerUnavailable),
        ("504", LedgerUnavailable),
        ("429", LedgerUnavailable),
        ("PGRST000", LedgerUnavailable),
        ("PGRST003", LedgerUnavailable),
        ("08006", LedgerUnavailable),
        ("40001", LedgerUnavailable),  # PostgREST itself begins such a call again
        ("PGRST202", LedgerRefused),
        ("PGRST301", LedgerRefused),
        ("401", LedgerRefused),
        ("42501", LedgerRefused),
    ],
)
def test_codes_of_the_way_are_sorted(code: str, kind: type[LedgerError]) -> None:
    """PostgREST's and the gateways' codes: no answer where nobody knows, a refusal where somebody said no."""
    assert type(sort_failure(code, "")) is kind


PAYMENT = {"lease_id": 1, "period": "2031-03-01", "amount_xof": 1, "channel": "wave", "reference": "R"}


@pytest.mark.parametrize("body", [b"<html>ok</html>", b"", b"null", b"[]", b'"settled"', b"{}"])
@pytest.mark.parametrize("function", ["claim_payment", "settle_payment", "find_payment", "book_visit"])
async def test_what_a_gateway_says_is_no_answer(function: str, body: bytes) -> None:
    """A 200 that holds no answer of the function's: nobody knows whether the call was carried out."""
    async with gateway(body) as ledger:
        with pytest.raises(LedgerUnavailable, match=f"^{function}: what came back is no answer"):
            await ledger.call(function, {})


@pytest.mark.parametrize("said", [None, "[]", '"settled"', "1"])
async def test_what_a_database_says_is_no_answer(cloud: Cloud, said: str | None) -> None:
    """The same from PostgreSQL itself, from a function that was changed."""
    run(cloud, "create or replace function public.says(said jsonb) returns jsonb language sql return said")
    async with opened("postgres", cloud) as ledger:
        with pytest.raises(LedgerUnavailable, match=r"^says: what came back is no answer"):
            await ledger.call("says", {"said": said})


@pytest.mark.parametrize(
    ("function", "answer"),
    [
        ("claim_payment", {"answer": "claimed", "payment": PAYMENT, "high_water": 1, "owner_id": 1}),
        ("find_payment", {"answer": "found", "payment": PAYMENT | {"status": "gone"}, "high_water": 1, "owner_id": 1}),
        ("settle_payment", {"answer": "settled", "payment": None, "high_water": None, "owner_id": 1}),
        ("book_visit", {"answer": "booked", "visit": [], "high_water": 1, "owner_id": 1}),
        ("free_slots", "<html>ok</html>"),
        ("free_slots", {}),
        ("free_slots", [{"starts_at": "2031-03-03T10:00:00+00:00"}]),
    ],
)
def test_an_answer_has_what_is_asked_of_it(function: str, answer: object) -> None:
    """An answer that lacks what its reader needs, or has something else there, is none."""
    with pytest.raises(LedgerUnavailable, match=f"^{function}: what came back is no answer"):
        checked_answer(function, answer)


async def test_a_row_that_somebody_keeps_is_not_waited_for_long(cloud: Cloud, rent: Rent) -> None:
    """An open transaction on the lease: the database itself ends the call, either way to it, and nothing is claimed."""
    other = new_rent(cloud)
    async with opened("supabase", cloud) as site, opened("postgres", cloud) as direct:
        with psycopg.connect(cloud.postgres_url) as keeper:
            keeper.execute("select 1 from leases where id = any(%s) for update", [[rent.lease_id, other.lease_id]])
            async with asyncio.timeout(30):
                failed = await asyncio.gather(
                    site.call("claim_payment", claiming(rent, 1)),
                    direct.call("claim_payment", claiming(other, 1)),
                    return_exceptions=True,
                )
        assert [(type(error), getattr(error, "code", "")) for error in failed] == [(LedgerUnavailable, "55P03")] * 2
        assert rows(cloud, rent) == rows(cloud, other) == []
        assert (await direct.call("claim_payment", claiming(other, 1)))["answer"] == "claimed"


def test_what_takes_a_row_waits_for_it_five_seconds(cloud: Cloud) -> None:
    """Every function that takes a row or a turn has the limit, whoever calls it."""
    new_rent(cloud)
    query = (
        "select proname from pg_proc where pronamespace = 'public'::regnamespace and 'lock_timeout=5s' = any(proconfig)"
    )
    limited = {"claim_payment", "settle_payment", "book_visit", "update_property"}
    assert {row["proname"] for row in run(cloud, query)} == limited


@pytest.mark.parametrize(("own", "seconds"), [("", "8s"), ("-c statement_timeout=3s", "3s")])
async def test_the_server_ends_a_statement_before_we_give_it_up(cloud: Cloud, own: str, seconds: str) -> None:
    """The session of a direct ledger has its limits; what the URL itself asks for has the last word."""
    run(
        cloud,
        "create or replace function public.limit_of(name text) returns jsonb language sql "
        "return jsonb_build_object('limit', current_setting(name))",
    )
    ledger = PostgresLedger(make_conninfo(cloud.postgres_url, options=own))
    assert await ledger.call("limit_of", {"name": "statement_timeout"}) == {"limit": seconds}
    assert await ledger.call("limit_of", {"name": "lock_timeout"}) == {"limit": "5s"}
    await ledger.close()


async def test_a_frozen_server_is_given_up(cloud: Cloud, rent: Rent, monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent server costs each caller its seconds, also who waits in turn; then the connection is left."""
    ledger = PostgresLedger(make_conninfo(cloud.postgres_url, application_name=rent.key))
    await ledger.call("claim_payment", claiming(rent, 1))
    monkeypatch.setattr(ledgers, "_SECONDS", 0.3)
    ((backend,),) = (
        r.values() for r in run(cloud, "select pid from pg_stat_activity where application_name = %s", rent.key)
    )
    os.kill(backend, signal.SIGSTOP)
    try:
        async with asyncio.timeout(4):  # the driver alone would say goodbye for ten seconds
            calls = [ledger.call("claim_payment", claiming(rent, 2)) for _ in range(2)]
            failed = await asyncio.gather(*calls, return_exceptions=True)
    finally:
        os.kill(backend, signal.SIGCONT)
    assert [str(error) for error in failed] == ["claim_payment: no answer within 0.3 s"] * 2
    monkeypatch.undo()
    assert (await ledger.call("claim_payment", claiming(rent, 3)))["answer"] == "taken_over"
    await ledger.close()


async def test_a_server_that_accepts_and_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """So does one that never answers the connection."""
    monkeypatch.setattr(ledgers, "_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ledger = PostgresLedger(f"postgresql://me@127.0.0.1:{silent.getsockname()[1]}/dousell")
        with pytest.raises(LedgerUnavailable, match=r"^claim_payment: no answer within 0\.3 s$"):
            await ledger.call("claim_payment", {})


async def test_nobody_there(cloud: Cloud, rent: Rent) -> None:
    """A ledger that cannot be reached says so; no secret is in what it says."""
    (port,) = free_ports(1)
    direct = PostgresLedger(f"postgresql://me:pass-word@127.0.0.1:{port}/dousell")
    with pytest.raises(LedgerUnavailable) as failed:
        await direct.call("claim_payment", claiming(rent, 1))
    assert str(failed.value) == "claim_payment: OperationalError"
    async with supabase_ledger(f"http://127.0.0.1:{port}", cloud.supabase_service_key) as ledger:
        with pytest.raises(LedgerUnavailable) as gone:
            await ledger.call("claim_payment", claiming(rent, 1))
    assert str(gone.value) == "claim_payment: ConnectError"


async def test_the_servers_key_follows_no_redirect(rent: Rent) -> None:
    """What answers for Supabase and points elsewhere is refused by its status, and nothing is sent elsewhere."""
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        to = f"http://localhost:{port}/elsewhere"
        writer.write(f"HTTP/1.1 308 Moved\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with supabase_ledger(f"http://127.0.0.1:{port}", "a-secret-key") as ledger:
            with pytest.raises(LedgerRefused) as refused:
                await ledger.call("claim_payment", claiming(rent, 1))
    assert (refused.value.code, len(asked)) == ("308", 1)
    assert "a-secret-key" not in str(refused.value)


async def test_a_connection_that_was_cut_is_made_anew(cloud: Cloud, rent: Rent) -> None:
    """The call that meets the cut fails, the next one works."""
    ledger = PostgresLedger(cloud.postgres_url)
    await ledger.call("claim_payment", claiming(rent, 1))
    kill = "select pg_terminate_backend(pid) from pg_stat_activity where query like '%\"claim_payment\"%'"
    run(cloud, kill + " and pid <> pg_backend_pid()")
    with pytest.raises(LedgerUnavailable):
        await ledger.call("claim_payment", claiming(rent, 2))
    assert (await ledger.call("claim_payment", claiming(rent, 3)))["answer"] == "taken_over"
    await ledger.close()


async def test_a_function_that_is_not_there_is_named(ledger: Ledger) -> None:
    """An older schema is a refusal that names the function, either way."""
    assert isinstance(ledger, (SupabaseLedger, PostgresLedger))
    with pytest.raises(LedgerRefused, match="pay_everything"):
        await ledger.call("pay_everything", {"fence": 1})
