"""Waiting for pictures whose only way to their client is the answer: they are delivered in it, or they cost nothing."""

from starlette.requests import Request
from starlette.responses import Response

from atelier_gateway.container import Parts
from atelier_gateway.generations import failure_problems as endings
from atelier_gateway.generations.client_disconnects import Caller
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.projection import store as generations
from atelier_gateway.projection.snapshot import TERMINAL
from atelier_gateway.projection.store import Generation
from atelier_gateway.surfaces import image_requests as image_orders
from atelier_gateway.web.problems import Problem

KEPT_S_MAX = 60.0
"""How long a retry waits to know what became of the generation that its first try left."""
STOPPED_S_MAX = 5.0
"""How long a process that stops waits for a cancel to be settled."""
AGAIN = {"Retry-After": "1"}


async def kept(parts: Parts, request: Request, caller: Caller) -> Generation | None:
    """What an earlier try of the same call left behind, paid for and delivered to nobody. Raises Problem."""
    try:
        return await parts.callers.left_before(request, caller, KEPT_S_MAX)
    except TimeoutError:
        detail = "What became of the first try is still being settled; send it again."
        raise Problem("request_in_progress", detail, headers=AGAIN) from None


async def made(
    parts: Parts, principal: Principal, accepted: Response, caller: Caller, within_s: float, key: str | None
) -> Generation:
    """The generation that succeeded. Raises Problem: nothing is charged, or nobody knows yet; ClientDisconnect."""
    generation = await image_orders.outcome(parts, principal.owner, accepted, within_s, caller)
    if generation is None and parts.waiting.stopping:
        generation = await _stopped(parts, principal, caller, key)
    if generation is None or generation.snapshot.rank < TERMINAL:
        await parts.callers.leave(caller)
        raise _unsettled(caller)
    if generation.snapshot.state != "succeeded":
        raise endings.problem_of(generation, endings.Field("prompt", "image"))
    return generation


async def _stopped(parts: Parts, principal: Principal, caller: Caller, key: str | None) -> Generation | None:
    """This process ends: with a key the pictures can be had from another one, without it they are cancelled.

    Raises Problem, which says that nothing is charged only when that is certain.
    """
    assert caller.generation_id is not None, "what is waited for exists"
    if key is not None:
        detail = "It is still being made; send the request again with the same Idempotency-Key."
        raise Problem("request_in_progress", detail, headers=AGAIN)
    await parts.callers.cancel(caller, STOPPED_S_MAX)
    generation = await generations.of_owner(parts.pool, caller.generation_id, principal.owner)
    if generation is not None and generation.snapshot.state == "cancelled":
        raise Problem("unavailable", "This server is being stopped. Nothing is charged; send it again.", headers=AGAIN)
    return generation


def _unsettled(caller: Caller) -> Problem:
    return Problem(
        "outcome_unknown", f"It is still being settled; GET /v1/generations/{caller.generation_id} will tell."
    )
