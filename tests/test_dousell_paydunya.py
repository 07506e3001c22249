"""The simulated provider keeps a real one's promises, and breaks down as it is told."""

import asyncio
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from dousell_cache.dousell.paydunya import Charge, Faults, PayDunya, ProviderRefused, ProviderUnavailable

SLOW = Faults(seconds=0.2)
LOST_ON_THE_WAY, LOST_REPLY = Faults(request_lost=1), Faults(reply_lost=1)


@pytest.fixture
def provider() -> Iterator[PayDunya]:
    """A provider without a fault."""
    with PayDunya() as provider:
        yield provider


async def charge(provider: PayDunya, reference: str = "RENT-1", amount: int = 100_000) -> Charge:
    """Charge a reference through Wave."""
    return await provider.charge(reference, amount, "wave")


def charge_in_a_process(path: str) -> str:
    """Charge one reference at the provider in a file."""
    with PayDunya(path=path, faults=Faults(seconds=0.05)) as provider:
        return asyncio.run(charge(provider)).state


async def outcomes(seed: int, faults: Faults, *, backwards: bool = False) -> list[str]:
    """Return what becomes of each of forty references, charged at once, the first or the last first."""

    async def outcome(provider: PayDunya, number: int) -> str:
        try:
            return (await charge(provider, f"RENT-{number}")).state
        except ProviderUnavailable:
            return "lost"

    with PayDunya(seed, faults) as provider:
        found = await asyncio.gather(*(outcome(provider, number) for number in range(40)[:: -1 if backwards else 1]))
    return found[:: -1 if backwards else 1]


def test_it_says_that_it_is_simulated(provider: PayDunya) -> None:
    """Whoever shows its figures has the label at hand, and its errors say it too."""
    assert provider.emulated == PayDunya.emulated == "PayDunya (simulated)"


async def test_a_charge_is_completed_and_found(provider: PayDunya) -> None:
    """A charge without trouble is completed at a time, and is found as it was answered."""
    charged = await charge(provider)
    assert (charged.state, charged.amount_xof, charged.channel) == ("completed", 100_000, "wave")
    assert charged.completed_at is not None
    assert await provider.find("RENT-1") == charged
    assert await provider.find("RENT-2") is None
    assert provider.debits() == {"RENT-1": 1}


async def test_a_reference_is_charged_once(provider: PayDunya) -> None:
    """Twenty charges of one reference at once, and one later through another channel: one debit, one answer."""
    provider.faults = Faults(latency=0.02, seconds=0.02)
    charges = await asyncio.gather(*(charge(provider) for _ in range(20)))
    assert set(charges) == {await provider.charge("RENT-1", 100_000, "card")}
    assert provider.debits() == {"RENT-1": 1}


async def test_without_idempotency_each_call_is_a_debit() -> None:
    """The control: a provider that does not know a reference again charges as often as it is asked."""
    with PayDunya(idempotent=False) as provider:
        for _ in range(3):
            await charge(provider)
        assert provider.debits() == {"RENT-1": 3}


async def test_a_reference_stands_for_its_amount(provider: PayDunya) -> None:
    """Another amount under the same reference is refused, and nothing is charged for it."""
    first = await charge(provider)
    with pytest.raises(ProviderRefused, match="RENT-1 stands for another amount than 5"):
        await charge(provider, amount=5)
    assert await provider.find("RENT-1") == first
    assert provider.debits() == {"RENT-1": 1}


async def test_a_declined_charge_is_for_good(provider: PayDunya) -> None:
    """A failure is final for its reference, also when the account is well again; another reference is charged."""
    provider.faults = Faults(declined=1)
    declined = await charge(provider)
    provider.faults = Faults()
    assert (declined.state, declined.completed_at) == ("failed", None)
    assert await charge(provider) == await provider.find("RENT-1") == declined
    assert (await charge(provider, "RENT-2")).state == "completed"
    assert provider.debits() == {"RENT-2": 1}


async def test_a_lost_request_charges_nothing(provider: PayDunya) -> None:
    """A call that never arrived is an error for its caller and unknown to the provider."""
    provider.faults = LOST_ON_THE_WAY
    with pytest.raises(ProviderUnavailable, match="simulated"):
        await charge(provider)
    with pytest.raises(ProviderUnavailable, match="simulated"):
        await provider.find("RENT-1")
    provider.faults = Faults()
    assert await provider.find("RENT-1") is None


async def test_a_lost_reply_has_charged(provider: PayDunya) -> None:
    """A call whose reply was lost is the same error for its caller, but the money has moved."""
    provider.faults = LOST_REPLY
    with pytest.raises(ProviderUnavailable, match="simulated"):
        await charge(provider)
    provider.faults = Faults()
    found = await provider.find("RENT-1")
    assert found is not None
    assert found.state == "completed"
    assert provider.debits() == {"RENT-1": 1}


async def test_a_late_answer_is_carried_out_all_the_same(provider: PayDunya) -> None:
    """Whoever stops waiting finds the charge under way, and later completed, at the time it was to take."""
    provider.faults = Faults(late=1, late_seconds=0.2)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await charge(provider)
    under_way = await provider.find("RENT-1")
    assert under_way is not None
    assert (under_way.state, under_way.completed_at) == ("processing", None)
    assert provider.debits() == {"RENT-1": 1}
    over = await charge(provider)  # waits for the same one
    assert over.state == "completed"
    assert await provider.find("RENT-1") == over


async def test_equal_seeds_meet_equal_faults() -> None:
    """The seed and the reference decide, not the order or the moment; another seed decides otherwise."""
    faults = Faults(latency=0.001, declined=0.3, request_lost=0.2, reply_lost=0.2)
    first, second = await outcomes(1, faults), await outcomes(1, faults, backwards=True)
    assert first == second != await outcomes(2, faults)
    assert set(first) == {"completed", "failed", "lost"}


async def test_faults_come_as_often_as_told() -> None:
    """Their probabilities are those of the calls: none, some, all."""
    assert await outcomes(3, Faults()) == ["completed"] * 40
    assert await outcomes(3, Faults(declined=1)) == ["failed"] * 40
    assert await outcomes(3, LOST_REPLY) == ["lost"] * 40
    assert 5 <= (await outcomes(3, Faults(declined=0.25))).count("failed") <= 17


def test_processes_meet_one_provider(tmp_path: Path) -> None:
    """With a file for its book, the reference that several processes charge is debited once, and outlives them."""
    path = str(tmp_path / "paydunya.db")
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert list(pool.map(charge_in_a_process, [path] * 8)) == ["completed"] * 8
    with PayDunya(path=path) as provider:
        assert provider.debits() == {"RENT-1": 1}
