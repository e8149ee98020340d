"""The procedure ``tryOn.create``."""

import json
from typing import Any

from fastapi import Request

from atelier_gateway.container import Container
from atelier_gateway.generations import try_on
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.surfaces.trpc.protocol import CallResult
from atelier_gateway.surfaces.trpc.requests import CreateInput, parse_input
from atelier_gateway.surfaces.trpc.responses import RESPONSES
from atelier_gateway.web.simulate_header import SIMULATE_HEADER, parse_simulation


async def create(container: Container, request: Request, principal: Principal, data: Any) -> CallResult:
    """``{sessionId, status}``."""
    body = parse_input(CreateInput, data)
    draft = await try_on.draft(
        container.input_resolver,
        principal.owner,
        body.imageUrls,
        field="imageUrls",
        prompt=body.prompt,
        simulate=parse_simulation(request.headers.get(SIMULATE_HEADER), allowed=container.simulates()),
        request=body.model_dump(mode="json", exclude_none=True),
        deadline_s=container.settings.generation_deadline_s,
    )
    response = await container.creator.create(principal, draft, RESPONSES)
    envelope: dict[str, Any] = json.loads(bytes(response.body))
    return response.status_code, envelope
