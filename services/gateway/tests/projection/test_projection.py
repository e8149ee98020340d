"""The projection: whatever the order in which events arrive, and however often, clients end up seeing the same."""

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atelier_contracts import (
    Artefact,
    Event,
    GenerationCancelled,
    GenerationFailed,
    GenerationQueued,
    GenerationRejected,
    GenerationSucceeded,
    Owner,
    RenderProgressed,
    RenderStarted,
)
from atelier_gateway.projection.snapshot import DELIVERING, RANKS, TERMINAL, Snapshot, advance, fold
from atelier_storage.keys import artefact_key, thumbnail_key, upload_key

ID = UUID("01a1fc2b-e840-76c4-840b-55c1df4115f5")
OWNER = Owner(kind="store", id=UUID("01a1fc2b-e840-76c4-840b-55c1df4115f6"))
ARTEFACT = Artefact(
    key=artefact_key("store", OWNER.id, ID, 0, "png"), content_type="image/png", size=3, sha256="ab", width=1, height=1
)
ENDINGS = st.sampled_from(
    [
        GenerationSucceeded(
            generation_id=ID, outputs=(ARTEFACT,), delivered=1, captured=1, refunded=0, provider="local"
        ),
        GenerationFailed(generation_id=ID, outcome="failed", code="provider_failed", reason="no", refunded=1),
        GenerationFailed(generation_id=ID, outcome="expired", code="deadline", reason="late", refunded=1),
        GenerationCancelled(generation_id=ID, refunded=1),
    ]
)
STEPS = st.lists(
    st.one_of(
        st.builds(RenderProgressed, generation_id=st.just(ID), progress=st.integers(0, 100)),
        st.builds(RenderStarted, generation_id=st.just(ID), attempt=st.integers(1, 3)),
    ),
    max_size=8,
)
QUEUED = GenerationQueued(generation_id=ID, credits=2)
AT = datetime(2026, 1, 1, 12, tzinfo=UTC)

Timed = tuple[Event, datetime]


def with_times(events: list[Event]) -> list[Timed]:
    """Each event a second after the one before."""
    return [(event, AT + timedelta(seconds=index)) for index, event in enumerate(events)]


def apply(events: list[Timed]) -> Snapshot:
    snapshot = Snapshot()
    for event, at in events:
        snapshot = advance(snapshot, event, at)
    return snapshot


def after(events: list[Event]) -> Snapshot:
    return apply(with_times(events))


@given(STEPS, st.one_of(st.none(), ENDINGS), st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_of_events_ends_in_the_same_picture(
    steps: list[Event], ending: Event | None, chance: random.Random
) -> None:
    events = with_times([QUEUED, *steps, *([ending] if ending else [])])
    muddled = [*events, *chance.choices(events, k=3)]
    chance.shuffle(muddled)

    assert apply(muddled) == apply(events)


@given(STEPS, ENDINGS, ENDINGS)
def test_a_terminal_state_is_never_left(steps: list[Event], ending: Event, later: Event) -> None:
    ended = after([QUEUED, *steps, ending])

    assert ended.rank == TERMINAL
    assert after([QUEUED, *steps, ending, later, *steps, QUEUED]).state == ended.state


@given(STEPS)
def test_the_state_only_climbs(steps: list[Event]) -> None:
    seen = [after(steps[:count]).rank for count in range(len(steps) + 1)]

    assert seen == sorted(seen)


def test_a_rejection_shows_what_was_missing_and_reserves_nothing() -> None:
    rejected = GenerationRejected(generation_id=ID, reason="insufficient_credits", required=3, available=1)

    snapshot = after([rejected, QUEUED])

    assert snapshot.state == "rejected"
    assert snapshot.error == {"code": "insufficient_credits", "required": 3, "available": 1}
    assert snapshot.credits_reserved == 0


def test_a_success_shows_its_outputs_and_what_it_cost() -> None:
    succeeded = GenerationSucceeded(
        generation_id=ID, outputs=(ARTEFACT,), delivered=1, captured=1, refunded=1, provider="local"
    )

    snapshot = after([QUEUED, succeeded])

    assert (snapshot.state, snapshot.progress) == ("succeeded", 100)
    assert (snapshot.credits_reserved, snapshot.credits_captured, snapshot.credits_refunded) == (2, 1, 1)
    assert snapshot.outputs == (ARTEFACT.model_dump(mode="json"),)


@pytest.mark.parametrize(
    "key",
    [
        artefact_key("store", UUID(int=7), ID, 0, "png"),  # in a parameter every worker must find the same
        artefact_key("user", OWNER.id, ID, 0, "png"),
        artefact_key("store", OWNER.id, UUID(int=7), 0, "png"),
        upload_key("store", OWNER.id, ID, "photo.png"),
        "backups/everything.tar",
    ],
)
def test_an_object_that_was_not_made_for_this_generation_never_becomes_its_output(key: str) -> None:
    forged = ARTEFACT.model_copy(update={"key": key})
    succeeded = GenerationSucceeded(
        generation_id=ID, outputs=(forged, ARTEFACT), delivered=2, captured=2, refunded=0, provider="local"
    )

    assert [output["key"] for output in advance(Snapshot(owner=OWNER), succeeded, AT).outputs] == [ARTEFACT.key]


def test_a_thumbnail_is_kept_only_where_it_lies_beside_its_picture() -> None:
    own, foreign = thumbnail_key(ARTEFACT.key), thumbnail_key(artefact_key("store", uuid4(), uuid4(), 0, "png"))
    named = tuple(ARTEFACT.model_copy(update={"thumbnail": key}) for key in (own, foreign))
    succeeded = GenerationSucceeded(
        generation_id=ID, outputs=named, delivered=2, captured=2, refunded=0, provider="local"
    )

    assert [output["thumbnail"] for output in advance(Snapshot(owner=OWNER), succeeded, AT).outputs] == [own, None]


def test_it_began_with_its_first_render_and_ended_with_its_end() -> None:
    started, again = (RenderStarted(generation_id=ID, attempt=attempt) for attempt in (1, 2))
    ended = GenerationFailed(generation_id=ID, outcome="failed", code="provider_failed", reason="no", refunded=1)

    snapshot = after([QUEUED, started, again, ended])

    assert snapshot.started_at == AT + timedelta(seconds=1)
    assert snapshot.ended_at == AT + timedelta(seconds=3)
    assert after([QUEUED]).started_at is None and after([QUEUED, started]).ended_at is None


def test_only_what_changes_is_saved_and_strangers_are_left_alone() -> None:
    rendering, stranger = Snapshot(state="rendering", credits_reserved=2), uuid4()
    late = RenderStarted(generation_id=stranger, attempt=1)

    assert fold({ID: rendering}, with_times([QUEUED, late])) == {}
    assert set(fold({ID: Snapshot()}, with_times([QUEUED, late]))) == {ID}


def test_every_state_has_a_rank() -> None:
    assert set(RANKS.values()) == {0, 1, 2, DELIVERING, TERMINAL}
