"""Makes a row of a batch the one generation that it stands for, and says what came of it.

A row has the id of its generation before it is created, and an Idempotency-Key made of batch, line and attempt: whoever
submits it again, after a crash or at the same time, finds the same generation. A new id is taken only where the old one
can never begin any more.
"""

import json
from dataclasses import dataclass, replace
from typing import Any

from starlette.responses import Response

from atelier_gateway.batches.records import Batch, Row
from atelier_gateway.batches.row_surface import RowSurface
from atelier_gateway.generations.creation import Draft
from atelier_gateway.generations.decline_problems import check_spend_limit
from atelier_gateway.idempotency.keys import fingerprint
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.web.problems import PROBLEM_TYPES, Problem

BEGUN_ANEW = frozenset({"unavailable"})
"""Refusals after which the id is a tombstone: it is certain that nothing will come of it."""
TRIED_AGAIN = frozenset({"outcome_unknown", "request_in_progress", "tenant_queue_full", "queue_full", "rate_limited"})
"""Refusals after which the same id is tried again."""
OUT_OF_CREDITS = frozenset({"insufficient_credits", "cap_exceeded"})


@dataclass(frozen=True, slots=True)
class Submitted:
    """Its generation has begun."""


@dataclass(frozen=True, slots=True)
class Postponed:
    """It is to be tried again, under another id where ``anew``."""

    anew: bool = False


@dataclass(frozen=True, slots=True)
class Unaffordable:
    """There are not enough credits now; ``room`` are left, None where that is unknown."""

    problem: Problem
    room: int | None


@dataclass(frozen=True, slots=True)
class Refused:
    """It can never be made."""

    problem: Problem


Submission = Submitted | Postponed | Unaffordable | Refused


def principal_of(batch: Batch) -> Principal:
    """The principal that the rows are made for: the owner, spending as the request that brought the batch did."""
    return Principal(batch.owner, batch.channel, spenders=batch.spenders)


async def submit(surface: RowSurface, batch: Batch, row: Row, *, deadline_s: int) -> Submission:
    """Creates the generation of a waiting row."""
    price, key = batch.prices[row.price], f"{batch.id}/{row.number}/{row.attempt}"

    def adjust(draft: Draft) -> Draft:
        check_spend_limit(price.credits, draft.max_credits)
        return replace(
            draft,
            id=row.generation_id,
            key=key,
            fingerprint=fingerprint(key),
            quote=price.quote,
            max_credits=price.credits if price.quote is None else None,
            deadline_s=min(draft.deadline_s, deadline_s),
        )

    assert row.request is not None, "what waits has its request"
    try:
        response = await surface.create(principal_of(batch), batch.endpoint, row.request, batch.simulate, adjust)
    except Problem as error:
        return _refusal_of(error, error.details)
    if response.status_code < 300:
        return Submitted()
    body = _body_of(response)
    return _refusal_of(Problem(body["code"], body["detail"], details=body), body)


def _refusal_of(problem: Problem, details: dict[str, Any]) -> Submission:
    if problem.code in BEGUN_ANEW:
        return Postponed(anew=True)
    if problem.code in TRIED_AGAIN:
        return Postponed()
    if problem.code in OUT_OF_CREDITS:
        cap = details.get("cap")
        return Unaffordable(problem, cap["remaining"] if cap else details.get("available"))
    return Refused(problem)


def _body_of(response: Response) -> dict[str, Any]:
    """A problem as it was rendered, also where it is replayed."""
    body: dict[str, Any] = json.loads(bytes(response.body))
    return {name: value for name, value in body.items() if name not in ("type", "title", "status")} | {
        "code": body["code"] if body["code"] in PROBLEM_TYPES else "internal_error"
    }
