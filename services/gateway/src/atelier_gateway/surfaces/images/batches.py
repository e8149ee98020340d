"""Several prompts in one POST: each becomes a generation of its own, and the reply says what became of each.

Never waits. Where none is admitted, the reply is the first one's refusal: nothing was created.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from atelier_gateway.container import Container
from atelier_gateway.generations.creation import SurfaceResponses
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.identity.users import User
from atelier_gateway.middleware.request_guard import unexpected
from atelier_gateway.rate_limits.request_limits import RequestLimits
from atelier_gateway.surfaces import image_requests as image_orders
from atelier_gateway.surfaces.image_requests import Order
from atelier_gateway.surfaces.images.create import (
    CREATE,
    PER_IP,
    PER_USER,
    PER_WORKSPACE,
    SHAPE,
    SURFACE,
    enveloped,
    order_of,
    problem,
    workspace_of,
)
from atelier_gateway.surfaces.images.requests import ImageBatchRequest
from atelier_gateway.web.client_ip import subject
from atelier_gateway.web.json_bodies import json_response, parse_body
from atelier_gateway.web.problems import Problem


async def create_batch(container: Container, request: Request, gate: RequestLimits) -> Response:
    """202 with one item a request: its ``data``, or its ``error``. Raises Problem."""
    await gate.take(PER_IP, subject(container.client_ip(request.scope)))
    user = await container.authenticator.authenticate_user(request.headers)
    await gate.take(PER_USER, str(user.id))
    body = await parse_body(request, ImageBatchRequest)
    principal = await container.authenticator.authorize_member(user, workspace_of(request, body.workspaceId))
    for further in range(len(body.requests)):
        if further:
            await gate.take(PER_USER, str(user.id))
        await gate.take(PER_WORKSPACE, str(principal.owner.id))
    orders = await _orders(container, principal, user, body)
    responses = [await _one(container, request, principal, order, index) for index, order in enumerate(orders)]
    return _told(responses)


async def _orders(container: Container, principal: Principal, user: User, body: ImageBatchRequest) -> list[Order]:
    """All of them, before any is admitted. Raises Problem 400 naming the request at fault."""
    orders = []
    for index, one in enumerate(body.requests):
        if one.workspaceId is not None:
            raise _at(index, Problem("invalid_request", "workspaceId: it is given once, for all requests."))
        try:
            order = await order_of(container, principal, user, one)
        except Problem as refusal:
            raise _at(index, refusal) from None
        orders.append(replace(order, same=(body.model_dump_json(exclude={"workspaceId"}),)))
    return orders


async def _one(container: Container, request: Request, principal: Principal, order: Order, index: int) -> Response:
    shape = SurfaceResponses(SURFACE, f"{CREATE}/batches {index}", SHAPE.accepted, problem, SHAPE.unsupported_option)
    try:
        draft = image_orders.draft(container, request, order, deadline_s=container.settings.generation_deadline_s)
        return await container.creator.create(principal, draft, shape)
    except Problem as refusal:
        return problem(refusal)
    except Exception as error:  # noqa: BLE001 - it is logged, and is this request's alone
        # An earlier request of the batch may have cost something: its answer must not be lost.
        return problem(unexpected(error))


def _told(responses: Sequence[Response]) -> Response:
    if all(response.status_code != 202 for response in responses):
        return responses[0]
    items: list[Any] = [json.loads(bytes(response.body)) for response in responses]
    return json_response(enveloped({"items": items}), 202)


def _at(index: int, refusal: Problem) -> Problem:
    """The same refusal, its fields named as they stand in the batch."""
    where = f"requests.{index}."
    errors = [error | {"field": where + error["field"]} for error in refusal.details.get("errors", [])]
    return Problem(refusal.code, where + refusal.detail, details={"errors": errors} if errors else None)
