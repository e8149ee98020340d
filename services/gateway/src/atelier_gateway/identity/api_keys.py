"""A store's API key, a client token and an operator's token: how they look, are kept, and are checked. Pure.

``atl_<prefix>_<secret>`` (``atc_`` of a client, ``ato_`` of an operator; ``atl_test_`` and ``atc_test_`` of a test
account): the prefix finds the row, the secret carries 256 bits. Kept is HMAC-SHA256 of the whole key under the
installation's pepper: a stolen table neither holds keys nor can be used to check guesses.
"""

import hmac
import re
import secrets
from dataclasses import dataclass
from uuid import UUID

from atelier_contracts import Owner
from atelier_contracts.value_objects import id_of_test_account

PREFIX_BYTES = 6
SECRET_BYTES = 32
STORE, CLIENT, OPERATOR = "atl", "atc", "ato"
"""What a key begins with, by whose it is."""
_KEY = re.compile(r"(?P<kind>atl|atc|ato)_(?:test_)?(?P<prefix>[0-9a-f]{12})_[0-9a-f]{64}", re.ASCII)
_PREFIX = re.compile(r"(?:atl_(?:test_)?)?(?P<prefix>[0-9a-f]{12})", re.ASCII)
_NO_DIGEST = bytes(32)


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What the table knows of a key."""

    id: UUID
    store_id: UUID
    digest: bytes
    suspended: bool = False
    """Whether its store is."""
    is_test: bool = False

    @property
    def owner(self) -> Owner:
        """The owner it acts for: the store, or its test account."""
        return Owner(kind="store", id=id_of_test_account(self.store_id) if self.is_test else self.store_id)


def new_key(kind: str = STORE, *, is_test: bool = False) -> str:
    """A fresh key; shown once, in the answer that creates it."""
    return f"{_beginning(kind, is_test=is_test)}_{secrets.token_hex(PREFIX_BYTES)}_{secrets.token_hex(SECRET_BYTES)}"


def shown_prefix(prefix: str, kind: str = STORE, *, is_test: bool = False) -> str:
    """How the key begins, for lists."""
    return f"{_beginning(kind, is_test=is_test)}_{prefix}"


def _beginning(kind: str, *, is_test: bool) -> str:
    return f"{kind}_test" if is_test else kind


def prefix_of(key: str, kind: str = STORE) -> str | None:
    """The part a key is found by, or None for anything that is not a key of ours, of this kind."""
    match = _KEY.fullmatch(key)
    return match["prefix"] if match and match["kind"] == kind else None


def bare_prefix(text: str) -> str | None:
    """The prefix alone, of ``<prefix>`` or ``atl_<prefix>`` as an operator may have it from a log; else None."""
    match = _PREFIX.fullmatch(text)
    return match["prefix"] if match else None


def digest_of(key: str, pepper: str) -> bytes:
    """What is kept of a key."""
    return hmac.digest(pepper.encode(), key.encode(), "sha256")


def matches(digest: bytes, stored: StoredKey | None) -> bool:
    """Whether this is that key. Takes equally long for a wrong secret and for an unknown prefix."""
    return is_same(digest, stored.digest if stored else None)


def is_same(digest: bytes, kept: bytes | None) -> bool:
    """Whether a digest is the one that is kept; None where none is."""
    return hmac.compare_digest(digest, kept or _NO_DIGEST) and kept is not None
