"""Creates an upload, for the surfaces that offer them; they differ only in the envelope."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from atelier_gateway.container import Container
from atelier_gateway.idempotency.keys import (
    IDEMPOTENCY_KEY_HEADER,
    REPLAYED_HEADER,
    IdempotencyClaim,
    StoredResponse,
    fingerprint,
    validated_key,
)
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
    key = validated_key(request.headers.get(IDEMPOTENCY_KEY_HEADER))
    upload = await parse_body(request, model)
    owner = principal.owner

    async def act() -> StoredResponse:
        offered = json_response(envelope(await container.uploads.offer(owner, upload)), 201)
        return StoredResponse(offered.status_code, bytes(offered.body))

    asked = fingerprint(upload.model_dump_json())
    claim = IdempotencyClaim(owner.kind, owner.id, route, key, asked, uuid7()) if key else None
    reply, replayed = await container.idempotent_runner.replay_or_run(claim, act)
    headers = {REPLAYED_HEADER: "true"} if replayed else None
    return Response(reply.body, reply.status, headers, "application/json")
