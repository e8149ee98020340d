"""Several prompts in one POST: each becomes a generation of its own, with its own outcome in the response.

Never waits. Where none is admitted, the response is the error of the first: nothing was created.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from atelier_gateway.container import Container
from atelier_gateway.generations.surface_responses import SurfaceResponses
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.identity.users import User
from atelier_gateway.middleware.request_guard import unexpected_error_problem
from atelier_gateway.rate_limits.request_limits import RequestLimits
from atelier_gateway.surfaces import image_requests
from atelier_gateway.surfaces.image_requests import ImageRequest
from atelier_gateway.surfaces.images.authentication import workspace_of
from atelier_gateway.surfaces.images.create import PER_IP, PER_USER, PER_WORKSPACE, parse_image_request
from atelier_gateway.surfaces.images.requests import ImageBatchRequest
from atelier_gateway.surfaces.images.responses import CREATE, RESPONSES, SURFACE, envelope, render_problem
from atelier_gateway.web.client_ip import subject
from atelier_gateway.web.json_bodies import json_response, parse_body
from atelier_gateway.web.problems import Problem, problem_at


async def create_batch(container: Container, request: Request, gate: RequestLimits) -> Response:
    """202 with an item for each request: its ``data``, or its ``error``. Raises Problem."""
    await gate.take(PER_IP, subject(container.client_ip(request.scope)))
    user = await container.authenticator.authenticate_user(request.headers)
    await gate.take(PER_USER, str(user.id))
    body = await parse_body(request, ImageBatchRequest)
    principal = await container.authenticator.authorize_member(user, workspace_of(request, body.workspaceId))
    for index in range(len(body.requests)):
        if index:
            await gate.take(PER_USER, str(user.id))
        await gate.take(PER_WORKSPACE, str(principal.owner.id))
    image_requests_of_batch = await _parse_requests(container, principal, user, body)
    responses = [
        await _create_one(container, request, principal, order, index)
        for index, order in enumerate(image_requests_of_batch)
    ]
    return _batch_response(responses)


async def _parse_requests(
    container: Container, principal: Principal, user: User, body: ImageBatchRequest
) -> list[ImageRequest]:
    """Parses all of them before any is admitted. Raises Problem 400 naming the request at fault."""
    image_requests_of_batch = []
    for index, item in enumerate(body.requests):
        if item.workspaceId is not None:
            raise problem_at(
                f"requests.{index}.", Problem("invalid_request", "workspaceId: it is given once, for all requests.")
            )
        try:
            order = await parse_image_request(container, principal, user, item)
        except Problem as error:
            raise problem_at(f"requests.{index}.", error) from None
        image_requests_of_batch.append(replace(order, same=(body.model_dump_json(exclude={"workspaceId"}),)))
    return image_requests_of_batch


async def _create_one(
    container: Container, request: Request, principal: Principal, order: ImageRequest, index: int
) -> Response:
    shape = SurfaceResponses(
        SURFACE, f"{CREATE}/batches {index}", RESPONSES.accepted, render_problem, RESPONSES.unsupported_option
    )
    try:
        draft = image_requests.build_draft(
            container, request, order, owner=principal.owner, deadline_s=container.settings.generation_deadline_s
        )
        return await container.creator.create(principal, draft, shape)
    except Problem as error:
        return render_problem(error)
    except Exception as error:  # noqa: BLE001 - it is logged, and is this request's alone
        # An earlier request of the batch may have cost something: its answer must not be lost.
        return render_problem(unexpected_error_problem(error))


def _batch_response(responses: Sequence[Response]) -> Response:
    if all(response.status_code != 202 for response in responses):
        return responses[0]
    items: list[Any] = [json.loads(bytes(response.body)) for response in responses]
    return json_response(envelope({"items": items}), 202)
