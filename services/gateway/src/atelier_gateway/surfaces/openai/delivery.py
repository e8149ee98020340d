"""Waits for outputs that reach their client only in the response: they are delivered in it, or they cost nothing."""

from starlette.requests import Request
from starlette.responses import Response

from atelier_gateway.container import Container
from atelier_gateway.generations import failure_problems
from atelier_gateway.generations.client_disconnects import WaitingClient
from atelier_gateway.generations.failure_problems import FieldNames
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.snapshot import TERMINAL
from atelier_gateway.projection.store import Generation
from atelier_gateway.surfaces import image_requests
from atelier_gateway.web.problems import Problem

KEPT_S_MAX = 60.0
"""How long a retry waits for the outcome of the generation that its first attempt left."""
STOPPED_S_MAX = 5.0
"""How long a stopping process waits for a cancel to be settled."""
AGAIN = {"Retry-After": "1"}
IMAGE_FIELDS = FieldNames("prompt", "image")


async def find_undelivered(
    container: Container, request: Request, caller: WaitingClient, *, streamed: bool = False
) -> Generation | None:
    """The charged and undelivered result of an earlier attempt of the same call. Raises Problem."""
    try:
        return await container.disconnects.find_undelivered(request, caller, KEPT_S_MAX, streamed=streamed)
    except TimeoutError:
        detail = "What became of the first try is still being settled; send it again."
        raise Problem("request_in_progress", detail, headers=AGAIN) from None


async def wait_for_outputs(
    container: Container,
    principal: Principal,
    accepted: Response,
    caller: WaitingClient,
    timeout_s: float,
    key: str | None,
    fields: FieldNames = IMAGE_FIELDS,
) -> Generation:
    """The succeeded generation. Raises Problem where nothing is charged or the outcome is unknown, ClientDisconnect."""
    generation = await image_requests.wait_for_outcome(container, principal.owner, accepted, timeout_s, caller)
    if generation is None and container.waiter.is_stopping:
        generation = await _cancel_on_shutdown(container, principal, caller, key)
    if generation is None or generation.snapshot.rank < TERMINAL:
        await container.disconnects.cancel_abandoned(caller)
        raise _outcome_unknown(caller)
    if generation.snapshot.state != "succeeded":
        raise failure_problems.problem_of(generation, fields)
    return generation


async def _cancel_on_shutdown(
    container: Container, principal: Principal, caller: WaitingClient, key: str | None
) -> Generation | None:
    """This process stops: with a key the images can be had from another one, without it they are cancelled.

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


def _outcome_unknown(caller: WaitingClient) -> Problem:
    return Problem(
        "outcome_unknown", f"It is still being settled; GET /v1/generations/{caller.generation_id} will tell."
    )
