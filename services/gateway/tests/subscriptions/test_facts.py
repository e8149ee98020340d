"""Which public events follow from messages, in whatever order they come: the sums of a subscriber are always right."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import permutations
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from atelier_contracts import (
    Artefact,
    ArtefactsExpired,
    BooksCorrected,
    CreditGranted,
    Event,
    GenerationCancelled,
    GenerationFailed,
    GenerationQueued,
    GenerationRejected,
    GenerationSucceeded,
    GrantExpired,
    Owner,
    RenderProgressed,
    RenderStarted,
)
from atelier_contracts.public_events import PUBLIC_EVENTS, CreditsExpiredFact
from atelier_gateway.projection.snapshot import Snapshot
from atelier_gateway.subscriptions.facts import Fact, book_facts, facts_of

ID = UUID("01a22927-974e-7199-9b02-1b59ae957b5b")
AT = datetime(2026, 1, 1, tzinfo=UTC)
OWNER = Owner(kind="store", id=uuid7())
OF_TEST_ACCOUNTS = "test"
"""Added as an event is published, where it is of a test account."""
COMMON = {"generation_id": ID, "owner": OWNER.model_dump(), "kind": "image", "surface": "native", "metadata": {}}
QUEUED = GenerationQueued(generation_id=ID, credits=10)
STARTED = RenderStarted(generation_id=ID, attempt=1)
PROGRESSED = RenderProgressed(generation_id=ID, progress=50)
OUTPUT = Artefact(
    key=f"stores/x/generated/{ID}/0.png", content_type="image/png", size=1, sha256="ab", width=1, height=1
)
SUCCEEDED = GenerationSucceeded(
    generation_id=ID, outputs=(OUTPUT,), delivered=1, captured=4, refunded=6, provider="local", model="m"
)
FAILED = GenerationFailed(generation_id=ID, outcome="expired", code="late", reason="too late", refunded=10)
CANCELLED = GenerationCancelled(generation_id=ID, refunded=10)
REJECTED = GenerationRejected(generation_id=ID, reason="insufficient_credits", required=10, available=1)
ENDS = {"succeeded": SUCCEEDED, "failed": FAILED, "cancelled": CANCELLED}


def _facts(*events: Event) -> list[Fact]:
    return facts_of({ID: Snapshot()}, [(event, AT, None) for event in events])


def _types(facts: Sequence[Fact]) -> list[str]:
    return [fact.type for fact in facts]


def test_a_success_is_told_step_by_step() -> None:
    assert _types(_facts(QUEUED, STARTED, PROGRESSED, SUCCEEDED)) == [
        "credits.held.v1",
        "generation.queued.v1",
        "generation.started.v1",
        "credits.settled.v1",
        "generation.succeeded.v1",
    ]


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_in_every_order_what_is_settled_was_held_once_and_the_sums_are_right(end: Event) -> None:
    for order in permutations((QUEUED, STARTED, end)):
        facts = _facts(*order)
        amounts: Counter[str] = Counter()
        for fact in facts:
            if fact.type == "credits.held.v1":
                amounts["held"] += fact.data["credits"]
            elif fact.type == "credits.settled.v1":
                assert fact.data["held"] == amounts["held"] == fact.data["captured"] + fact.data["returned"]
                amounts["captured"] += fact.data["captured"]

        assert (amounts["held"], amounts["captured"]) == (10, getattr(end, "captured", 0))
        assert Counter(_types(facts))["credits.settled.v1"] == 1


def test_a_repeated_or_late_message_is_no_second_event() -> None:
    facts = _facts(QUEUED, QUEUED, STARTED, SUCCEEDED, STARTED, QUEUED, SUCCEEDED, FAILED)

    assert _types(facts) == _types(_facts(QUEUED, STARTED, SUCCEEDED))


def test_a_rejection_moves_no_credits() -> None:
    assert _types(_facts(REJECTED, QUEUED)) == ["generation.rejected.v1"]


def test_expired_outputs_are_told_of_a_success_alone() -> None:
    expired = ArtefactsExpired(generation_id=ID)

    assert _types(_facts(QUEUED, SUCCEEDED, expired))[-1] == "generation.outputs_expired.v1"
    assert "generation.outputs_expired.v1" not in _types(_facts(QUEUED, FAILED, expired))


def test_a_generation_that_is_unknown_has_no_events() -> None:
    assert facts_of({}, [(QUEUED, AT, None)]) == []


def test_a_grant_is_told_once() -> None:
    grant = CreditGranted(grant_id=uuid7(), owner=OWNER, credits=5, available=7)
    again = grant.model_copy(update={"given_before": True})

    (fact,) = book_facts([(grant, AT, None), (again, AT, None)])

    assert fact.subject == grant.grant_id
    assert PUBLIC_EVENTS[fact.type].model_validate(fact.data).model_dump()["credits"] == 5


def test_a_repeated_answer_is_announced_where_no_earlier_one_arrived_and_only_then() -> None:
    grant = CreditGranted(grant_id=uuid7(), owner=OWNER, credits=5, available=7)
    again = grant.model_copy(update={"given_before": True})

    first = book_facts([(again, AT, None), (again, AT, None)], {grant.grant_id: True})
    later = book_facts([(grant, AT, None), (again, AT, None)], {grant.grant_id: False})

    assert ([fact.subject for fact in first], later) == ([grant.grant_id], [])


def test_an_expiry_is_told_with_its_grant() -> None:
    expiry = GrantExpired(grant_id=UUID(int=9), owner=OWNER, credits=5, available=2)

    (fact,) = book_facts([(expiry, AT, None)])

    assert (fact.type, fact.subject) == ("credits.expired.v1", UUID(int=9))
    assert CreditsExpiredFact.model_validate(fact.data).model_dump(include={"credits", "available"}) == {
        "credits": 5,
        "available": 2,
    }


def test_a_correction_is_told_once_and_only_if_credits_moved() -> None:
    correction = BooksCorrected(
        correction_id=uuid7(), kind="return", owner=OWNER, generation_id=ID, credits=4, available=9
    )
    again = correction.model_copy(update={"corrected_before": True})
    refused = correction.model_copy(update={"credits": 0, "refused": "not_charged"})

    (fact,) = book_facts([(told, AT, None) for told in (correction, again, refused)])

    data = PUBLIC_EVENTS[fact.type].model_validate(fact.data).model_dump()
    assert (data["correction"], data["credits"], data["generation_id"]) == ("return", 4, ID)


@pytest.mark.parametrize("end", [*ENDS.values(), REJECTED], ids=[*ENDS, "rejected"])
def test_every_event_is_of_its_published_shape(end: Event) -> None:
    for fact in _facts(QUEUED, STARTED, end) if end is not REJECTED else _facts(end):
        known = PUBLIC_EVENTS[fact.type]

        assert set(fact.data) | set(COMMON) == set(known.model_fields) - {OF_TEST_ACCOUNTS}
        assert known.model_validate({**fact.data, **COMMON})
