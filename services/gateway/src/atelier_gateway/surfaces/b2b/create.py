"""Parses a request for a virtual try-on into a draft."""

from fastapi import Request

from atelier_contracts import Owner
from atelier_gateway.container import Container
from atelier_gateway.generations import try_on
from atelier_gateway.generations.creation import Draft
from atelier_gateway.surfaces.b2b.requests import TryOnRequest
from atelier_gateway.surfaces.create_headers import CreateHeaders
from atelier_gateway.web.json_bodies import parse_body


async def build_draft(container: Container, request: Request, owner: Owner) -> Draft:
    """The request as a draft. Raises Problem."""
    headers = CreateHeaders.read(request, allowed=container.simulates(owner))
    body = await parse_body(request, TryOnRequest)
    return await try_on.draft(
        container.input_resolver,
        owner,
        body.image_urls,
        field="image_urls",
        prompt=body.prompt,
        simulate=headers.simulation,
        request=body.model_dump(mode="json", exclude_none=True),
        deadline_s=container.settings.generation_deadline_s,
        key=headers.key,
        fingerprint=headers.fingerprint(body.model_dump_json()),
    )
