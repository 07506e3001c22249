"""Names on the server: plain for values, in the same hash slot for what stands beside them."""

import pytest
from redis.crc import key_slot

from dousell_cache.keys import Names, beside

KEYS = ["a", "detail:7", "été 🏠", "{city}:7", "a{b}c", "a{", "{{x}}", " "]


@pytest.mark.parametrize("namespace", ["", "dousell:", "{app}:"])
@pytest.mark.parametrize("key", KEYS)
def test_what_stands_beside_a_value_shares_its_slot(namespace: str, key: str) -> None:
    """One script may touch a value, its lease, its stand-in and its bell in a Cluster, whatever braces a key has."""
    names = Names(namespace)
    slot = key_slot(names.value(key).encode())
    near = [names.lease(key), names.old(key), names.wake(key, "token")]
    assert {key_slot(name.encode()) for name in near} == {slot}
    assert len({names.value(key), *near}) == 4


@pytest.mark.parametrize("namespace", ["", "dousell:", "{app}:"])
def test_a_value_is_named_plainly(namespace: str) -> None:
    """The web app's own code finds a value under the namespace and the key, nothing else."""
    assert [Names(namespace).value(key) for key in KEYS] == [namespace + key for key in KEYS]


def test_a_keys_own_hash_tag_is_kept() -> None:
    """What a Cluster hashes of a key stays what it is beside it."""
    assert beside("{city}:7", "lease") == "{city}:7:lease"
    assert beside("detail:7", "lease") == "{detail:7}:lease"


@pytest.mark.parametrize("key", [key for key in KEYS if "{" not in key])
def test_a_name_tells_its_key(key: str) -> None:
    """By its value, its lease or its stand-in a scan recognises a key, under its own namespace and prefix alone."""
    names = Names("dousell:")
    for name in (names.value(key), names.lease(key), names.old(key)):
        assert key in names.keys(name, key[:1])
        assert names.keys(name, "zz") == set()
        assert Names("other:").keys(name, key[:1]) == set()


@pytest.mark.parametrize("key", ["{city}:7", "{{x}}", "a{b}c"])
def test_a_name_with_a_hash_tag_tells_its_key(key: str) -> None:
    """So does one whose hash tag was kept; what it might also be is harmless to withdraw."""
    names = Names("dousell:")
    for name in (names.value(key), names.lease(key), names.old(key)):
        assert key in names.keys(name, key[:1])


def test_versions_and_bells_are_nobodys_keys() -> None:
    """A scan for a prefix withdraws no tag's version and no bell."""
    names = Names("dousell:")
    assert names.keys(names.version("search"), "search") == set()
    assert names.keys(names.wake("search:1", "token"), "search") == set()
