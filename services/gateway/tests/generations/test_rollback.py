"""What a surface prepared for a create is undone, unless the create was admitted or may have been."""

import asyncio

import pytest
from starlette.responses import Response

from atelier_gateway.generations.rollback import note_admission, rollback_unless_admitted
from atelier_gateway.idempotency.keys import REPLAYED_HEADER
from atelier_gateway.web.problems import Problem


class Undo:
    """Counts how often it was called."""

    calls = 0

    async def __call__(self) -> None:
        self.calls += 1


@pytest.mark.parametrize(
    ("status", "headers", "calls"),
    [(201, {}, 0), (202, {}, 0), (402, {}, 1), (201, {REPLAYED_HEADER: "true"}, 1)],
    ids=["created", "accepted", "declined", "replayed"],
)
async def test_preparations_stay_only_with_the_create_that_began_a_generation(
    status: int, headers: dict[str, str], calls: int
) -> None:
    undo = Undo()

    async with rollback_unless_admitted(undo) as attempt:
        attempt.resolve(Response(status_code=status, headers=headers))

    assert undo.calls == calls


@pytest.mark.parametrize(("code", "calls"), [("outcome_unknown", 0), ("unavailable", 1), ("queue_full", 1)])
async def test_preparations_of_an_unknown_outcome_stay(code: str, calls: int) -> None:
    undo = Undo()

    with pytest.raises(Problem, match=code):
        async with rollback_unless_admitted(undo):
            raise Problem(code, "It ended so.")

    assert undo.calls == calls


async def test_preparations_are_undone_after_an_unexpected_error() -> None:
    undo = Undo()

    with pytest.raises(ZeroDivisionError):
        async with rollback_unless_admitted(undo):
            raise ZeroDivisionError

    assert undo.calls == 1


@pytest.mark.parametrize("error", [asyncio.CancelledError, ZeroDivisionError], ids=["cancelled", "failed"])
async def test_preparations_stay_after_an_error_that_follows_the_admission(error: type[BaseException]) -> None:
    undo = Undo()

    with pytest.raises(error):
        async with rollback_unless_admitted(undo):
            note_admission(is_admitted=True)
            raise error

    assert undo.calls == 0


async def test_preparations_are_undone_after_an_error_that_follows_a_refusal() -> None:
    undo = Undo()

    with pytest.raises(ZeroDivisionError):
        async with rollback_unless_admitted(undo):
            note_admission(is_admitted=True)
            note_admission(is_admitted=False)
            raise ZeroDivisionError

    assert undo.calls == 1
