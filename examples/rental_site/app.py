"""Dousell's seven use cases over HTTP: on Vercel's Python runtime and on a server of one's own, unchanged.

Which cache is used, its variables say. What an owner or a tenant asks for comes from the site's own server, which has
checked who is signed in and shows `SITE_TOKEN`. PayDunya is simulated: put your own `Provider` in its place.

    uvicorn app:app                   # README.md says what it needs
"""

import hmac
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from dousell_cache import AsyncCache, CacheUnavailable, ConfigurationError, connect_async
from dousell_cache.dousell.ledger import Ledger, LedgerRefused, LedgerUnavailable, supabase_ledger
from dousell_cache.dousell.origin import Origin, Row, supabase_origin
from dousell_cache.dousell.paydunya import PayDunya, Provider
from dousell_cache.dousell.payments import pay_rent
from dousell_cache.dousell.properties import (
    owner_dashboard,
    property_page,
    public_properties,
    search_city,
    update_property,
)
from dousell_cache.dousell.receipts import PaymentStatus, Rent, Slot, Visit, VisitStatus
from dousell_cache.dousell.visits import book_visit, visit_slots

PAYMENT_CODES: dict[PaymentStatus, int] = {
    "paid": 200,
    "already_paid": 200,
    "unpaid": 200,
    "verifying": 202,
    "declined": 402,
    "in_progress": 409,
    "key_reused": 409,
    "wrong_amount": 409,
    "not_due": 409,
    "lock_unavailable": 503,
    "ledger_unavailable": 503,
}
VISIT_CODES: dict[VisitStatus, int] = {
    "booked": 201,
    "taken": 409,
    "in_progress": 409,
    "not_offered": 409,
    "past": 409,
    "lock_unavailable": 503,
    "ledger_unavailable": 503,
}
# No right to it (PostgreSQL), not a key of this project (PostgREST), not a key at all (what stands before them).
KEY_REFUSALS = ("42501", "PGRST3", "401", "403")


@dataclass(frozen=True, slots=True)
class Site:
    """What a request needs: the cache, what it stands before, and who takes the money."""

    cache: AsyncCache
    origin: Origin
    ledger: Ledger
    provider: Provider


def supabase_settings(environ: Mapping[str, str]) -> list[str]:
    """Return the project's address, its public key and its service role's; say in one sentence what is missing."""
    names = [f"SUPABASE_{name}" for name in ("URL", "KEY", "SERVICE_ROLE_KEY")]
    missing = [name for name in names if not environ.get(name, "").strip()]
    if missing:
        message = (
            f"not set: {', '.join(missing)}; your Supabase project's settings have them, "
            "and on a laptop `dousell-cache local` prints them"
        )
        raise ConfigurationError(message)
    return [environ[name].strip() for name in names]


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Site]]:
    """Open one of each for this process, and close them when it ends."""
    url, public, service = supabase_settings(os.environ)
    async with AsyncExitStack() as stack:
        cache = await stack.enter_async_context(await connect_async(namespace="site:"))
        origin = await stack.enter_async_context(supabase_origin(url, public))
        ledger = await stack.enter_async_context(supabase_ledger(url, service))
        provider = stack.enter_context(PayDunya())
        yield {"site": Site(cache, origin, ledger, provider)}


def site_of(request: Request) -> Site:
    """Return what the lifespan opened."""
    return cast("Site", request.state.site)


def from_our_own_server(authorization: Annotated[str, Header()] = "") -> None:
    """Let only the site's own server in: it has checked who is signed in."""
    token = os.environ.get("SITE_TOKEN", "")
    if not token or not hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode()):
        raise HTTPException(401, "this is for the site's own server")


Here = Annotated[Site, Depends(site_of)]
app = FastAPI(title="Dousell Immo", lifespan=lifespan)
private = APIRouter(dependencies=[Depends(from_our_own_server)])


@app.exception_handler(LedgerUnavailable)
async def unavailable(_request: Request, error: Exception) -> JSONResponse:
    """Say that the database did not answer, where a cache could not answer in its place."""
    return JSONResponse({"detail": str(error)}, 503)


@app.exception_handler(LedgerRefused)
async def refused(_request: Request, error: LedgerRefused) -> JSONResponse:
    """Say that the application's own key is the wrong one; what else the database refuses is a fault of ours: 500."""
    if not error.code.startswith(KEY_REFUSALS):
        raise error
    said = "the database refused this key: SUPABASE_SERVICE_ROLE_KEY must be the service role's"
    return JSONResponse({"detail": said}, 503)


@app.get("/", include_in_schema=False)
async def front_door() -> RedirectResponse:
    """Lead to the list of routes, which can be tried there."""
    return RedirectResponse("/docs")


@app.get("/properties")
async def home(site: Here) -> list[Row]:
    """Return all public properties, the newest first."""
    return await public_properties(site.cache, site.origin)


@app.get("/properties/{property_id}")
async def show(property_id: int, site: Here) -> Row:
    """Return one property."""
    try:
        return await property_page(site.cache, site.origin, property_id)
    except LookupError as error:
        raise HTTPException(404, str(error)) from error


@app.get("/cities/{city}")
async def search(city: str, site: Here, kind: str | None = None) -> list[Row]:
    """Return what is on offer in a city, the cheapest first."""
    return await search_city(site.cache, site.origin, city, kind)


@app.get("/properties/{property_id}/slots/{day}")
async def slots(property_id: int, day: date, site: Here) -> list[Slot]:
    """Return the free slots of a day."""
    return await visit_slots(site.cache, site.ledger, property_id, day)


@app.get("/health")
async def health(site: Here) -> dict[str, Any]:
    """Say whether the cache answers, and what its reads came to; the site is well without it."""
    counters = site.cache.counters()
    said = {"environment": site.cache.environment.name, "hits": counters.hits, "bypasses": counters.bypasses}
    try:
        return said | {"cache_ms": round(await site.cache.ping() * 1000, 1)}
    except CacheUnavailable as error:
        return said | {"cache_ms": None, "reason": str(error)}


@private.get("/owners/{owner_id}/dashboard")
async def dashboard(owner_id: int, site: Here) -> dict[str, Any]:
    """Return an owner's dashboard."""
    found = await owner_dashboard(site.cache, site.ledger, owner_id)
    if found is None:
        raise HTTPException(404, f"there is no owner {owner_id}")
    return found


@private.patch("/properties/{property_id}")
async def change(property_id: int, changes: dict[str, Any], site: Here, response: Response) -> Row | None:
    """Change a property and withdraw what shows it."""
    try:
        row = await update_property(site.cache, site.ledger, property_id, changes)
    except LedgerRefused as error:
        if error.code.startswith(KEY_REFUSALS):
            raise
        raise HTTPException(422, "a column is none that may be changed, or a value none that can be") from error
    except CacheUnavailable:
        # The change stands. This process tells the cache before it trusts it again; a function that may be gone by
        # then puts the keys where something else tries again: docs/how-to/invalidate.md.
        response.status_code = 202
        return None
    if row is None:
        raise HTTPException(404, f"there is no property {property_id}")
    return row


@dataclass(frozen=True, slots=True)
class Click:
    """What "Payer" sends: `key` is made once for each page that shows the button."""

    month: date
    amount_xof: int
    channel: str
    key: str


@private.post("/leases/{lease_id}/payments")
async def pay(lease_id: int, click: Click, site: Here, response: Response) -> dict[str, str]:
    """Pay a month's rent, once."""
    rent = Rent(lease_id, click.month, click.amount_xof, click.channel, click.key)
    receipt = await pay_rent(site.cache, site.ledger, site.provider, rent)
    response.status_code = PAYMENT_CODES[receipt.status]
    return {"status": receipt.status, "message": receipt.message}


@dataclass(frozen=True, slots=True)
class Wish:
    """What "Réserver" sends."""

    visitor_id: UUID
    visitor_label: str
    starts_at: datetime
    minutes: int = 30


@private.post("/properties/{property_id}/visits")
async def book(property_id: int, wish: Wish, site: Here, response: Response) -> dict[str, str]:
    """Book a visit, once."""
    if wish.starts_at.tzinfo is None or wish.minutes < 1:
        raise HTTPException(422, "starts_at needs its zone, and minutes must be 1 or more")
    starts_at = wish.starts_at.astimezone(UTC)
    slot = Slot(starts_at, starts_at + timedelta(minutes=wish.minutes))
    visit = Visit(property_id, wish.visitor_id, wish.visitor_label, slot)
    booking = await book_visit(site.cache, site.ledger, visit)
    response.status_code = VISIT_CODES[booking.status]
    return {"status": booking.status, "message": booking.message}


app.include_router(private)
