"""Actions on webhooks, each once per ``Idempotency-Key``: the response commits with the action, so nothing is done
twice.

A stored response holds the id of a secret in the place of the secret, which is filled in as it is sent.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from atelier_gateway.container import Container
from atelier_gateway.idempotency import store as idempotency_store
from atelier_gateway.idempotency.keys import (
    REPLAYED_HEADER,
    StoredResponse,
)
from atelier_gateway.idempotency.responses import claim_of
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.rate_limits.limiter import RateLimitRule
from atelier_gateway.rate_limits.request_limits import RequestLimits, with_rate_limits
from atelier_gateway.web.json_bodies import json_response
from atelier_messaging import Transaction

SENDS = RateLimitRule("webhook-sends", 60, 60)
"""Tests and replays of an owner: each is a request to another server."""
Act = Callable[[Transaction], Awaitable[tuple[dict[str, Any], int]]]
"""Runs in the transaction; returns the body of the response and its status."""


async def replay_or_run(
    container: Container, request: Request, principal: Principal, route: str, content: str, act: Act
) -> Response:
    """The response, or the earlier one to the same key; equal requests have equal ``content``. Raises Problem."""
    claim = claim_of(request, principal.owner.kind, principal.owner.id, route, content)

    async def run() -> StoredResponse:
        async with container.bus.unit.once(dispatch=False) as tx:
            body, status = await act(tx)
            reply = StoredResponse(status, bytes(json_response(body).body))
            if claim is not None:
                idempotency_store.save_responses(tx, [(claim, reply)], must_hold=True)
        return reply

    reply, replayed = await container.idempotent_runner.replay_or_run(claim, run)
    return _reveal_secret(container, reply, {REPLAYED_HEADER: "true"} if replayed else {})


async def replay_or_run_limited(
    container: Container, request: Request, principal: Principal, route: str, content: str, act: Act
) -> Response:
    """As ``replay_or_run``, for actions that send something; headers say how many are left. Raises Problem 429."""

    async def run_counted(gate: RequestLimits) -> Response:
        await gate.take(SENDS, str(principal.owner.id))
        return await replay_or_run(container, request, principal, route, content, act)

    return await with_rate_limits(container.rate_limiter, run_counted)


def _reveal_secret(container: Container, reply: StoredResponse, more: dict[str, str]) -> Response:
    body = json.loads(reply.body)
    if "secret" in body:
        body["secret"] = container.signing_secrets.secret_of(UUID(body["secret"]))
    response = json_response(body, reply.status)
    response.headers.update(more)
    return response
