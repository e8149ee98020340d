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

from atelier_gateway.container import Parts
from atelier_gateway.idempotency import store as claims
from atelier_gateway.idempotency.keys import HEADER, REPLAYED, Claim, Reply, checked, fingerprint
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.rate_limits.limiter import Rule
from atelier_gateway.rate_limits.request_limits import Gate, gated
from atelier_gateway.web.json_bodies import answer
from atelier_messaging import Transaction

SENDS = Rule("webhook-sends", 60, 60)
"""Tests and replays an owner may ask for: each is a request to somebody else's server."""
Act = Callable[[Transaction], Awaitable[tuple[dict[str, Any], int]]]
"""Does it within the work; the body of the reply, and its status."""


async def once(parts: Parts, request: Request, principal: Principal, route: str, asked: str, act: Act) -> Response:
    """The reply, or the earlier one to the same key; ``asked`` is what makes two requests the same. Raises Problem."""
    key, owner = checked(request.headers.get(HEADER)), principal.owner
    claim = Claim(owner.kind, owner.id, route, key, fingerprint(asked), uuid7()) if key else None

    async def run() -> Reply:
        async with parts.bus.unit.once(dispatch=False) as work:
            body, status = await act(work)
            reply = Reply(status, bytes(answer(body).body))
            if claim is not None:
                await claims.settle(work.connection, [(claim, reply)], [])
        return reply

    reply, replayed = await parts.keyed.once(claim, run)
    return _revealed(parts, reply, {REPLAYED: "true"} if replayed else {})


async def once_limited(
    parts: Parts, request: Request, principal: Principal, route: str, asked: str, act: Act
) -> Response:
    """As ``once``, for acts that send something; the answer tells how many more there may be. Raises Problem 429."""

    async def counted(gate: Gate) -> Response:
        await gate.take(SENDS, str(principal.owner.id))
        return await once(parts, request, principal, route, asked, act)

    return await gated(parts.limits, counted)


def _revealed(parts: Parts, reply: Reply, more: dict[str, str]) -> Response:
    body = json.loads(reply.body)
    if "secret" in body:
        body["secret"] = parts.secrets.of(UUID(body["secret"]))
    response = answer(body, reply.status)
    response.headers.update(more)
    return response
