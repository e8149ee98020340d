"""Waiting for pictures whose only way to their client is the answer: they are delivered in it, or they cost nothing."""

from starlette.requests import Request
from starlette.responses import Response

from atelier_gateway.container import Container
from atelier_gateway.generations import failure_problems
from atelier_gateway.generations.client_disconnects import WaitingClient
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.snapshot import TERMINAL
from atelier_gateway.projection.store import Generation
from atelier_gateway.surfaces import image_requests as image_orders
from atelier_gateway.web.problems import Problem

KEPT_S_MAX = 60.0
"""How long a retry waits to know what became of the generation that its first try left."""
STOPPED_S_MAX = 5.0
"""How long a process that stops waits for a cancel to be settled."""
AGAIN = {"Retry-After": "1"}


async def kept(container: Container, request: Request, caller: WaitingClient) -> Generation | None:
    """What an earlier try of the same call left behind, paid for and delivered to nobody. Raises Problem."""
    try:
        return await container.disconnects.find_undelivered(request, caller, KEPT_S_MAX)
    except TimeoutError:
        detail = "What became of the first try is still being settled; send it again."
        raise Problem("request_in_progress", detail, headers=AGAIN) from None


async def made(
    container: Container,
    principal: Principal,
    accepted: Response,
    caller: WaitingClient,
    timeout_s: float,
    key: str | None,
) -> Generation:
    """The generation that succeeded. Raises Problem: nothing is charged, or nobody knows yet; ClientDisconnect."""
    generation = await image_orders.outcome(container, principal.owner, accepted, timeout_s, caller)
    if generation is None and container.waiter.is_stopping:
        generation = await _stopped(container, principal, caller, key)
    if generation is None or generation.snapshot.rank < TERMINAL:
        await container.disconnects.cancel_abandoned(caller)
        raise _unsettled(caller)
    if generation.snapshot.state != "succeeded":
        raise failure_problems.problem_of(generation, failure_problems.FieldNames("prompt", "image"))
    return generation


async def _stopped(
    container: Container, principal: Principal, caller: WaitingClient, key: str | None
) -> Generation | None:
    """This process ends: with a key the pictures can be had from another one, without it they are cancelled.

    Raises Problem, which says that nothing is charged only when that is certain.
    """
    assert caller.generation_id is not None, "what is waited for exists"
    if key is not None:
        detail = "It is still being made; send the request again with the same Idempotency-Key."
        raise Problem("request_in_progress", detail, headers=AGAIN)
    await container.disconnects.cancel_and_wait(caller, STOPPED_S_MAX)
    generation = await projection_store.find_for_owner(container.pool, caller.generation_id, principal.owner)
    if generation is not None and generation.snapshot.state == "cancelled":
        raise Problem("unavailable", "This server is being stopped. Nothing is charged; send it again.", headers=AGAIN)
    return generation


def _unsettled(caller: WaitingClient) -> Problem:
    return Problem(
        "outcome_unknown", f"It is still being settled; GET /v1/generations/{caller.generation_id} will tell."
    )
