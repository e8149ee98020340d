"""Creates an upload, for the surfaces that offer them; they differ only in the envelope."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from atelier_gateway.container import Container
from atelier_gateway.idempotency.keys import (
    StoredResponse,
)
from atelier_gateway.idempotency.responses import claim_of, respond_once
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.media.uploads import UploadRequest
from atelier_gateway.web.json_bodies import json_response, parse_body


async def create_upload(
    container: Container,
    request: Request,
    principal: Principal,
    route: str,
    model: type[UploadRequest],
    envelope: Callable[[dict[str, object]], object],
) -> Response:
    """201 with the upload's URLs, in the envelope of the surface. Raises Problem."""
    upload, owner = await parse_body(request, model), principal.owner

    async def act() -> StoredResponse:
        offered = json_response(envelope(await container.uploads.offer(owner, upload, principal.client)), 201)
        return StoredResponse(offered.status_code, bytes(offered.body))

    claim = claim_of(request, owner.kind, owner.id, principal.keyed_route(route), upload.model_dump_json())
    return await respond_once(container.idempotent_runner, claim, act)
