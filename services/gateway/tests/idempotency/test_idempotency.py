"""Idempotency-Key: what a key may look like, what makes two requests the same, what the second one is answered."""

from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atelier_gateway.idempotency.keys import (
    REBUILD_AFTER,
    RebuildResponse,
    StoredClaim,
    StoredResponse,
    fingerprint,
    resolve,
    validate_key,
)
from atelier_gateway.web.problems import Problem

FINGERPRINT = fingerprint("a request")
YOUNG = timedelta(seconds=1)


def claim_of(reply: StoredResponse | None = None, age: timedelta = YOUNG) -> StoredClaim:
    return StoredClaim(FINGERPRINT, uuid4(), reply, age)


@pytest.mark.parametrize("key", ["k", "a" * 255, "!~", None])
def test_a_key_of_visible_ascii_is_taken_as_it_is(key: str | None) -> None:
    assert validate_key(key) == key


@pytest.mark.parametrize("key", ["", "a" * 256, "a b", "a\tb", "ä", "\x7f", "a\n"])
def test_any_other_key_is_refused(key: str) -> None:
    with pytest.raises(Problem) as refused:
        validate_key(key)

    assert refused.value.status == 400


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_two_requests_have_one_fingerprint_only_if_they_are_the_same(one: list[str], other: list[str]) -> None:
    assert (fingerprint(*one) == fingerprint(*other)) == (one == other)


def test_an_answered_request_is_answered_again_byte_for_byte() -> None:
    reply = StoredResponse(402, b'{"code":"insufficient_credits"}')

    assert resolve(claim_of(reply), FINGERPRINT) == reply


def test_another_request_with_the_key_is_422_even_after_the_first_was_answered() -> None:
    for stored in (claim_of(), claim_of(StoredResponse(201, b"{}")), claim_of(age=timedelta(hours=1))):
        with pytest.raises(Problem) as refused:
            resolve(stored, fingerprint("another request"))

        assert refused.value.status == 422


def test_while_the_first_request_is_at_work_the_second_is_409() -> None:
    with pytest.raises(Problem) as refused:
        resolve(claim_of(age=REBUILD_AFTER - timedelta(milliseconds=1)), FINGERPRINT)

    assert refused.value.status == 409


def test_a_request_that_died_without_an_answer_is_looked_into() -> None:
    stored = claim_of(age=REBUILD_AFTER)

    assert resolve(stored, FINGERPRINT) == RebuildResponse(stored.holder)
