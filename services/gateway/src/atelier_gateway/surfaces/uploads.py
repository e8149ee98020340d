"""Answering an upload request, for the surfaces that offer one; they differ only in the envelope."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from atelier_gateway.container import Parts
from atelier_gateway.idempotency.keys import HEADER, REPLAYED, Claim, Reply, checked, fingerprint
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.media.uploads import UploadRequest
from atelier_gateway.web.json_bodies import answer, read


async def offer(
    parts: Parts,
    request: Request,
    principal: Principal,
    route: str,
    model: type[UploadRequest],
    dress: Callable[[dict[str, object]], object],
) -> Response:
    """201 with the upload's URLs, dressed as the surface dresses its data. Raises Problem."""
    key = checked(request.headers.get(HEADER))
    upload = await read(request, model)
    owner = principal.owner

    async def act() -> Reply:
        offered = answer(dress(await parts.uploads.offer(owner, upload)), 201)
        return Reply(offered.status_code, bytes(offered.body))

    asked = fingerprint(upload.model_dump_json())
    claim = Claim(owner.kind, owner.id, route, key, asked, uuid7()) if key else None
    reply, replayed = await parts.keyed.once(claim, act)
    headers = {REPLAYED: "true"} if replayed else None
    return Response(reply.body, reply.status, headers, "application/json")
