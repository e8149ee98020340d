"""API keys: their look, what is kept of them, and that nothing but the whole key opens the door."""

import re
from uuid import uuid4

from atelier_gateway.identity.api_keys import StoredKey, digest_of, matches, new_key, prefix_of

PEPPER = "a pepper for tests"


def to_stored_key(key: str) -> StoredKey:
    return StoredKey(uuid4(), uuid4(), digest_of(key, PEPPER))


def test_a_key_carries_at_least_128_random_bits_and_no_two_are_alike() -> None:
    keys = {new_key() for _ in range(200)}

    assert len(keys) == 200
    assert all(re.fullmatch(r"atl_[0-9a-f]{12}_[0-9a-f]{64}", key) for key in keys)


def test_what_is_kept_does_not_contain_the_key() -> None:
    key = new_key()

    kept = to_stored_key(key)

    assert len(kept.digest) == 32
    assert key.encode() not in kept.digest and key.split("_")[2] not in repr(kept)


def test_only_the_whole_key_matches() -> None:
    key, other = new_key(), new_key()
    kept = to_stored_key(key)
    mixed = f"atl_{prefix_of(key)}_{other.split('_')[2]}"

    assert matches(digest_of(key, PEPPER), kept)
    assert not matches(digest_of(mixed, PEPPER), kept)
    assert not matches(digest_of(key, "another pepper"), kept)


def test_a_prefix_nobody_has_is_refused_even_with_a_digest_of_zeros() -> None:
    assert not matches(bytes(32), None)


def test_what_is_no_key_of_ours_has_no_prefix() -> None:
    key = new_key()

    for strange in ("", "atl_", key[:-1], key.upper(), f" {key}", f"{key}\n", key.replace("a", "а")):  # last: Cyrillic
        assert prefix_of(strange) is None
