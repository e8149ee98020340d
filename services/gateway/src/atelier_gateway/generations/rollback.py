"""Undoes what a surface stored or counted for a create, unless the create was admitted."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar

from starlette.responses import Response

from atelier_gateway.idempotency.keys import REPLAYED_HEADER
from atelier_gateway.web.problems import Problem

ADMITTED_STATUSES = (201, 202)


class CreateAttempt:
    """One create, whose preparations are kept only if it is admitted."""

    def __init__(self) -> None:
        self.is_admitted = False
        """Whether the create began a generation, or may have: then its preparations stay."""

    def resolve(self, response: Response) -> Response:
        """Notes how the create ended; a replayed response began nothing. Returns the response."""
        self.is_admitted = response.status_code in ADMITTED_STATUSES and REPLAYED_HEADER not in response.headers
        return response


_ATTEMPT: ContextVar[CreateAttempt | None] = ContextVar("create_attempt", default=None)


def note_admission(*, is_admitted: bool) -> None:
    """Notes for the create under way in this task whether its generation began, or may have: an error that follows
    leaves the preparations as they are."""
    if (attempt := _ATTEMPT.get()) is not None:
        attempt.is_admitted = is_admitted


@asynccontextmanager
async def rollback_unless_admitted(undo: Callable[[], Awaitable[None]]) -> AsyncIterator[CreateAttempt]:
    """Runs ``undo`` after the block unless its create was admitted.

    A create with an unknown outcome (Problem ``outcome_unknown``) may have been admitted and then needs what was
    prepared for it, so nothing is undone.
    """
    attempt = CreateAttempt()
    outer = _ATTEMPT.set(attempt)
    try:
        yield attempt
    except Problem as error:
        attempt.is_admitted = attempt.is_admitted or error.code == "outcome_unknown"
        raise
    finally:
        _ATTEMPT.reset(outer)
        if not attempt.is_admitted:
            await undo()
