"""The example application: the seven use cases over HTTP, in both worlds, and under load while its cache dies."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import httpx
import pytest

from dousell_cache.local import Cloud

from .. import rents
from .rental_site import client, serving

if TYPE_CHECKING:
    from ..conftest import FreeValkey

PAGES = ["/properties", "/properties/7", "/properties/11", "/cities/Dakar", "/cities/Dakar?kind=villa"]
PAGES += ["/properties/7/slots/2031-03-03", "/owners/3/dashboard", "/properties/9"]
DESCRIBED = 9  # the property that the load changes while others read it


@pytest.fixture(scope="module")
def loaded(cloud: Cloud) -> Cloud:
    """The session's cloud, with Dousell's data in it."""
    rents.ready(cloud)
    return cloud


@pytest.fixture(params=["dedicated", "vercel"])
def address(request: pytest.FixtureRequest, loaded: Cloud) -> Iterator[str]:
    """The application, over TCP as on a dedicated server and over REST as on Vercel."""
    on_vercel = {
        "VERCEL": "1",
        "UPSTASH_REDIS_REST_URL": loaded.upstash_url,
        "UPSTASH_REDIS_REST_TOKEN": loaded.upstash_token,
    }
    with serving(loaded, on_vercel if request.param == "vercel" else {"REDIS_URL": loaded.valkey_url}) as running:
        yield running


async def test_the_seven_use_cases(address: str, cloud: Cloud) -> None:
    """Pages are shown, a change is seen at once, a rent is paid once and a visit booked once, by the same code."""
    rent, visit = rents.new_rent(cloud), rents.new_visit(cloud)
    click = {"month": "2031-03-01", "amount_xof": rent.amount_xof, "channel": "wave", "key": rent.key}
    wish = {"visitor_label": "Visiteur", "starts_at": visit.slot.starts_at.isoformat()}
    payments, visits = f"/leases/{rent.lease_id}/payments", f"/properties/{visit.property_id}/visits"
    async with client(address) as http:
        for page in PAGES:
            assert [(await http.get(page)).status_code for _ in range(2)] == [200, 200], page
        await _changed(http)
        paid = [await http.post(payments, json=click | {"key": key}) for key in (rent.key, "another page")]
        booked = [
            await http.post(visits, json=wish | {"visitor_id": f"00000000-0000-4000-8000-00000000000{number}"})
            for number in (1, 2)
        ]
        health = (await http.get("/health")).json()
    assert [(done.status_code, done.json()["status"]) for done in paid] == [(200, "paid"), (200, "already_paid")]
    assert [(done.status_code, done.json()["status"]) for done in booked] == [(201, "booked"), (409, "taken")]
    assert health["hits"] >= len(PAGES)


async def _changed(http: httpx.AsyncClient) -> None:
    before = (await http.get("/properties/7")).json()["rent_xof"]
    for rent in (before + 5000, before):
        assert (await http.patch("/properties/7", json={"rent_xof": rent})).status_code == 200
        assert (await http.get("/properties/7")).json()["rent_xof"] == rent


async def test_what_is_refused_is_told(address: str) -> None:
    """What is not there is 404, what makes no sense 422, and a stranger learns and changes nothing: 401."""
    stranger = {"Authorization": "Bearer guess"}
    async with client(address) as http:
        seen = [
            await http.get("/properties/999999"),
            await http.get("/owners/999999/dashboard"),
            await http.patch("/properties/999999", json={"rent_xof": 1}),
            await http.patch("/properties/7", json={"owner_id": 1}),
            await http.patch("/properties/7", json={"rent_xof": 1}, headers=stranger),
            await http.get("/owners/3/dashboard", headers=stranger),
        ]
    assert [answer.status_code for answer in seen] == [404, 404, 404, 422, 401, 401]


@pytest.mark.parametrize("forged", [False, True], ids=["the anonymous key", "no key of this project's"])
async def test_a_key_without_the_rights_is_told_from_a_wrong_request(loaded: Cloud, forged: bool) -> None:
    """Where the database refuses the application's key, each route that needs it says so with 503; pages are shown."""
    key = loaded.supabase_anon_key
    lesser = {"REDIS_URL": loaded.valkey_url, "SUPABASE_SERVICE_ROLE_KEY": key[:-6] + "forged" if forged else key}
    click = {"month": "2031-03-01", "amount_xof": 1, "channel": "wave", "key": "page"}
    wish = {"visitor_id": "00000000-0000-4000-8000-000000000001", "visitor_label": "Visiteur"}
    with serving(loaded, lesser) as address:
        async with client(address) as http:
            page = await http.get("/properties/7")
            refused = [
                await http.patch("/properties/7", json={"rent_xof": 1}),
                await http.get("/properties/7/slots/2031-05-05"),
                await http.get("/owners/5/dashboard"),
                await http.post("/leases/3/payments", json=click),
                await http.post("/properties/7/visits", json=wish | {"starts_at": "2031-05-05T10:00:00Z"}),
            ]
    said = "the database refused this key: SUPABASE_SERVICE_ROLE_KEY must be the service role's"
    assert page.status_code == 200
    assert {(answer.status_code, answer.json()["detail"]) for answer in refused} == {(503, said)}


class Load:
    """Visitors who read without a pause, and an owner who changes a title and looks at the page.

    Args:
        http: how they reach the application.
    """

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self.codes = Counter[tuple[str, int]]()
        self.old: list[str] = []
        self.over = False

    @property
    def answered(self) -> int:
        """How many requests were answered."""
        return self.codes.total()

    async def visit(self, first: int) -> None:
        """Read page after page."""
        number = first
        while not self.over:
            answer = await self._http.get(PAGES[number % len(PAGES)])
            self.codes["GET", answer.status_code] += 1
            number += 1

    async def own(self) -> None:
        """Change a property again and again: whatever the cache does, the page shows the change at once."""
        page = f"/properties/{DESCRIBED}"
        before = (await self._http.get(page)).json()["title"]
        number = 0
        while not self.over:
            number += 1
            await self._change(page, f"{before} {number}")
        await self._change(page, before)

    async def _change(self, page: str, title: str) -> None:
        changed = await self._http.patch(page, json={"title": title})
        self.codes["PATCH", changed.status_code] += 1
        shown = (await self._http.get(page)).json()["title"]
        if shown != title:
            self.old.append(shown)

    async def more(self, requests: int) -> None:
        """Wait until so many more requests were answered, and two changes more: the second began after the call."""
        answered, changes = self.answered + requests, self._changes() + 2
        while self.answered < answered or self._changes() < changes:
            await asyncio.sleep(0.01)

    async def until_hit(self) -> None:
        """Wait until reads are answered by the cache again."""
        hits = before = (await self._http.get("/health")).json()["hits"]
        while hits <= before:
            hits = (await self._http.get("/health")).json()["hits"]

    def _changes(self) -> int:
        return sum(count for (method, _), count in self.codes.items() if method == "PATCH")


async def test_the_cache_dies_under_load_and_nobody_notices(loaded: Cloud, free_valkey: "FreeValkey") -> None:
    """While the cache is killed and started again, every request is answered well and no page shows an old title."""
    with serving(loaded, {"REDIS_URL": free_valkey.url}) as address:
        async with client(address) as http, asyncio.TaskGroup() as tasks:
            load = Load(http)
            for first in range(6):
                tasks.create_task(load.visit(first))
            tasks.create_task(load.own())
            for _ in range(2):
                await load.more(50)
                free_valkey.kill()
                await load.more(50)
                free_valkey.restart()
                await load.until_hit()
            load.over = True
    assert {code for method, code in load.codes if method == "GET"} == {200}
    assert {code for method, code in load.codes if method == "PATCH"} <= {200, 202}
    assert load.codes["PATCH", 202] > 0, "no change met a dead cache"
    assert load.old == []
