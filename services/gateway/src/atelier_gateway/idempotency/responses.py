"""Runs an action once per ``Idempotency-Key`` and responds, for routes that create no generation."""

from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from atelier_gateway.idempotency.keys import (
    IDEMPOTENCY_KEY_HEADER,
    REPLAYED_HEADER,
    IdempotencyClaim,
    StoredResponse,
    fingerprint,
    validate_key,
)
from atelier_gateway.idempotency.runner import Action, IdempotentRunner


def claim_of(
    request: Request, owner_kind: str, owner_id: UUID, route: str, *fingerprint_parts: str
) -> IdempotencyClaim | None:
    """The claim of the request's key; None where it has no key. Raises Problem 400 for a malformed one."""
    key = validate_key(request.headers.get(IDEMPOTENCY_KEY_HEADER))
    return IdempotencyClaim(owner_kind, owner_id, route, key, fingerprint(*fingerprint_parts), uuid7()) if key else None


async def respond_once(runner: IdempotentRunner, claim: IdempotencyClaim | None, action: Action) -> Response:
    """The response of the action, or the stored one of an earlier request with the key, marked as replayed.

    Raises Problem 409 while the first request runs, 422 where the key belongs to another request.
    """
    stored, is_replayed = await runner.replay_or_run(claim, action)
    return to_response(stored, is_replayed=is_replayed)


def to_response(stored: StoredResponse, *, is_replayed: bool = False) -> Response:
    """A stored JSON response as it is sent."""
    headers = {REPLAYED_HEADER: "true"} if is_replayed else None
    return Response(stored.body, stored.status, headers, "application/json")
