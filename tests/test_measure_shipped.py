"""Payments and visits as shipped, in trouble: each happens once, and where a guard is missing that is found."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from typing import cast

import psycopg
import pytest
import pytest_asyncio

from dousell_cache.dousell.ledger import Ledger
from dousell_cache.dousell.paydunya import Charge, Faults, PayDunya
from dousell_cache.dousell.site import open_site
from dousell_cache.local import Cloud
from dousell_cache.measure.lab_locks import open_bench
from dousell_cache.measure.shipped import Lab, Paused, book_visits, open_lab, pay_rents

from .loop_complaints import complaints

RENTS, SEED = 12, 2


@pytest_asyncio.fixture
async def lab(cloud: Cloud) -> AsyncIterator[Lab]:
    """A ledger of this test's own, under the locks of the local environment."""
    async with (
        open_site("local") as site,
        open_bench(site.environment) as bench,
        open_lab(bench, cloud.postgres_url, SEED) as opened,
    ):
        yield opened


async def test_every_rent_is_paid_once(lab: Lab) -> None:
    """Paused, cut off and forgotten clicks and all: each rent has one debit and one row that says paid."""
    kept = await pay_rents(lab, RENTS, SEED)
    assert (kept.wanted, kept.twice, kept.never) == (RENTS, 0, 0)
    assert kept.paused > 0
    assert kept.cut_off > 0
    with psycopg.connect(lab.url) as connection:
        paid = connection.execute("select count(*) from payments where status = 'paid' and fence > 0").fetchone()
    assert paid == (RENTS,)


async def test_a_provider_that_charges_twice_is_found(lab: Lab) -> None:
    """Where the provider does not keep one reference to one debit, a paused click debits again, and that is counted."""
    with PayDunya(SEED, idempotent=False) as careless:
        kept = await pay_rents(dataclasses.replace(lab, provider=careless), RENTS, SEED)
    assert kept.twice > 0


async def test_every_slot_is_given_once(lab: Lab) -> None:
    """Of three visitors whose slots overlap one gets it, whoever is paused, cut off or forgotten."""
    kept = await book_visits(lab, RENTS, SEED)
    assert (kept.wanted, kept.twice, kept.never) == (RENTS, 0, 0)
    assert kept.told["taken"] > 0


async def test_a_calendar_without_its_constraint_is_found(lab: Lab) -> None:
    """Without the exclusion constraint overlapping slots, whose locks have other names, are both given, and counted."""
    with psycopg.connect(lab.url) as connection:
        connection.execute("alter table visits drop constraint visits_do_not_overlap")
    assert (await book_visits(lab, RENTS, SEED)).twice > 0


async def test_a_lab_leaves_nothing_behind(cloud: Cloud, lab: Lab) -> None:
    """The database is there while it is used, apart from the site's own, and gone afterwards."""
    assert lab.url != cloud.postgres_url
    async with open_lab(lab.bench, cloud.postgres_url, SEED) as other:
        url = other.url
        with psycopg.connect(url) as connection:
            assert connection.execute("select count(*) > 0 from leases").fetchone() == (True,)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url)


async def test_a_late_charge_that_fails_is_not_logged() -> None:
    """A charge that goes out after its caller gave up ends as it does, and nobody is told."""
    late: list[asyncio.Task[Charge]] = []
    with complaints() as heard, PayDunya(faults=Faults(latency=0.01, request_lost=1)) as provider:
        call = asyncio.create_task(Paused(cast(Ledger, None), provider, "", late).charge("rent", 1, "wave"))
        while not late:
            await asyncio.sleep(0)
        call.cancel()
        (ended,) = await asyncio.gather(*late, return_exceptions=True)
        with pytest.raises(asyncio.CancelledError):
            await call
    assert isinstance(ended, Exception)
    assert heard == []
