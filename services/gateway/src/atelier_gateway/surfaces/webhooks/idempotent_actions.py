"""Acts on webhooks, each once per ``Idempotency-Key``: the reply commits with what was done, so nothing is done twice.

A kept reply carries the id of a secret in the place of the secret, which is put there on the way out.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from atelier_gateway.container import Container
from atelier_gateway.idempotency import store as idempotency_store
from atelier_gateway.idempotency.keys import (
    IDEMPOTENCY_KEY_HEADER,
    REPLAYED_HEADER,
    IdempotencyClaim,
    StoredResponse,
    fingerprint,
    validated_key,
)
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.rate_limits.limiter import RateLimitRule
from atelier_gateway.rate_limits.request_limits import RequestLimits, with_rate_limits
from atelier_gateway.web.json_bodies import json_response
from atelier_messaging import Transaction

SENDS = RateLimitRule("webhook-sends", 60, 60)
"""Tests and replays an owner may ask for: each is a request to somebody else's server."""
Act = Callable[[Transaction], Awaitable[tuple[dict[str, Any], int]]]
"""Does it within the work; the body of the reply, and its status."""


async def once(
    container: Container, request: Request, principal: Principal, route: str, asked: str, act: Act
) -> Response:
    """The reply, or the earlier one to the same key; ``asked`` is what makes two requests the same. Raises Problem."""
    key, owner = validated_key(request.headers.get(IDEMPOTENCY_KEY_HEADER)), principal.owner
    claim = IdempotencyClaim(owner.kind, owner.id, route, key, fingerprint(asked), uuid7()) if key else None

    async def run() -> StoredResponse:
        async with container.bus.unit.once(dispatch=False) as work:
            body, status = await act(work)
            reply = StoredResponse(status, bytes(json_response(body).body))
            if claim is not None:
                await idempotency_store.save_responses(work.connection, [(claim, reply)])
        return reply

    reply, replayed = await container.idempotent_runner.replay_or_run(claim, run)
    return _revealed(container, reply, {REPLAYED_HEADER: "true"} if replayed else {})


async def once_limited(
    container: Container, request: Request, principal: Principal, route: str, asked: str, act: Act
) -> Response:
    """As ``once``, for acts that send something; the answer tells how many more there may be. Raises Problem 429."""

    async def counted(gate: RequestLimits) -> Response:
        await gate.take(SENDS, str(principal.owner.id))
        return await once(container, request, principal, route, asked, act)

    return await with_rate_limits(container.rate_limiter, counted)


def _revealed(container: Container, reply: StoredResponse, more: dict[str, str]) -> Response:
    body = json.loads(reply.body)
    if "secret" in body:
        body["secret"] = container.signing_secrets.secret_of(UUID(body["secret"]))
    response = json_response(body, reply.status)
    response.headers.update(more)
    return response
