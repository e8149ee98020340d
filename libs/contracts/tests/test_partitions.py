"""A message's partition is decided by its key alone, and for one partition nothing changes."""

from collections import Counter
from uuid import UUID, uuid4

import pytest

from atelier_contracts import (
    CancelRequested,
    CaptureCredit,
    Envelope,
    GenerationEnd,
    GrantCredit,
    Owner,
    RefundCredit,
    RenderProgressed,
    ReserveCredit,
    Work,
    wrap,
)
from atelier_contracts.bundle import by_frame
from atelier_contracts.message import REGISTRY, Message
from atelier_contracts.partitions import PARTITIONED_KINDS, partition_of, routing_key_of

OWNER = Owner(kind="store", id=UUID("01a1fd11-dfa5-77cf-8de6-79b863c68f29"))
END = GenerationEnd(owner=OWNER, kind="try_on", outcome="succeeded")


def _commands() -> list[Message]:
    return [
        ReserveCredit(generation_id=uuid4(), owner=OWNER, work=Work(kind="try_on", n=1)),
        CaptureCredit(generation_id=uuid4(), delivered=1, end=END),
        RefundCredit(generation_id=uuid4(), end=END),
        GrantCredit(grant_id=uuid4(), owner=OWNER, credits=1, reason="welcome"),
    ]


def test_every_command_about_an_account_goes_to_the_same_partition() -> None:
    assert len({partition_of(command, 64) for command in _commands()}) == 1


def test_what_the_session_is_told_about_a_generation_goes_to_the_same_partition() -> None:
    generation = UUID("01a1fd11-e2fa-70a8-aabc-614f2963bf51")
    messages = [
        kind.model_construct(generation_id=generation)
        for kind in PARTITIONED_KINDS
        if "generation_id" in kind.model_fields
    ]
    about_generations = [
        each for each in messages if not isinstance(each, ReserveCredit | CaptureCredit | RefundCredit)
    ]

    assert len(about_generations) == 11
    assert {partition_of(message, 64) for message in about_generations} == {1}


def test_a_partition_never_moves_by_an_upgrade() -> None:
    cancel = CancelRequested(generation_id=UUID("01a1fd11-e2fa-70a8-aabc-614f2963bf51"))

    assert [partition_of(cancel, partitions) for partitions in (1, 2, 3, 4, 64)] == [0, 1, 2, 1, 1]
    assert [partition_of(_commands()[0], partitions) for partitions in (1, 2, 3, 4, 64)] == [0, 0, 2, 0, 56]


@pytest.mark.parametrize("kind", REGISTRY.values(), ids=list(REGISTRY))
def test_with_one_partition_the_routing_key_is_the_name(kind: type[Message]) -> None:
    assert routing_key_of(kind.model_construct(), 1) == kind.name


def test_what_is_not_divided_keeps_its_name_and_what_is_ends_with_its_partition() -> None:
    generation = UUID("01a1fd11-e2fa-70a8-aabc-614f2963bf51")
    keys = [
        routing_key_of(message, 4)
        for message in (
            CancelRequested(generation_id=generation),
            RenderProgressed(generation_id=generation, progress=1),
        )
    ]

    assert keys == ["gateway.cancel_requested.v1.p1", "render.render_progressed.v1"]


def test_keys_spread_over_all_partitions() -> None:
    counts = Counter(partition_of(CancelRequested(generation_id=uuid4()), 8) for _ in range(8_000))

    assert sorted(counts) == list(range(8))
    assert min(counts.values()) > 800


def test_messages_of_different_partitions_do_not_share_a_frame() -> None:
    sent = [wrap(CancelRequested(generation_id=uuid4()), source="atelier/gateway") for _ in range(100)]

    def key(message: Message) -> str:
        return routing_key_of(message, 4)

    frames: list[list[Envelope]] = by_frame(sent, key)

    assert {len({key(envelope.message) for envelope in frame}) for frame in frames} == {1}
    assert sorted(envelope.id for frame in frames for envelope in frame) == sorted(envelope.id for envelope in sent)
