"""Pseudonyms: keys, tags and families as keyed hashes, and which keys a sample keeps. Pure.

The hash is keyed BLAKE2b: equal keys have equal pseudonyms, and who does not have the secret cannot find a key by
guessing at it.
"""

from hashlib import blake2b

_BYTES = 8  # at ten million keys, two share a pseudonym in 3 recordings of a million
_ALL = 2.0 ** (8 * _BYTES)


class Pseudonyms:
    """Name keys, tags and families by a secret.

    Args:
        secret: keys the hash; at most 64 bytes.
    """

    __slots__ = ("_secret", "fingerprint")

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self.fingerprint = self._hashed("", b"secret")[:8]

    def key(self, key: str) -> str:
        """Return the pseudonym of a key."""
        return self._hashed(key, b"key")

    def tag(self, tag: str) -> str:
        """Return the pseudonym of a tag, which no key of that name shares."""
        return self._hashed(tag, b"tag")

    def family(self, family: str) -> str:
        """Return the pseudonym of a family, which no key and no tag of that name shares."""
        return self._hashed(family, b"family")

    def _hashed(self, text: str, person: bytes) -> str:
        return blake2b(text.encode(), digest_size=_BYTES, key=self._secret, person=person).hexdigest()

    def __repr__(self) -> str:
        return f"Pseudonyms(fingerprint={self.fingerprint!r})"


def kept(pseudonym: str, sample: float) -> bool:
    """Tell whether a sample has a key: all its events or none, and the same keys in every process of one secret.

    Args:
        pseudonym: the key's.
        sample: the share of keys to keep, up to 1.
    """
    return int(pseudonym, 16) / _ALL < sample
