"""The webhooks that we send, for the ``webhooks`` part of the OpenAPI description."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from atelier_gateway.surfaces.native.openapi import Generation
from atelier_gateway.surfaces.webhooks.requests import EventType
from atelier_gateway.web.openapi_responses import AT, header
from atelier_gateway.webhooks.events import TYPES

ANSWERS: dict[int | str, dict[str, Any]] = {
    204: {"description": "It is taken; any 2xx will do."},
    410: {"description": "Nobody is there any more: the endpoint is switched off."},
    "default": {"description": "It is sent again later, under the same `webhook-id`; redirects are not followed."},
}
HEADERS = [
    header("webhook-id", {"type": "string"}, "Of the delivery; the same at each try."),
    header("webhook-timestamp", {"type": "string", "examples": ["1767268800"]}, "When it was sent; Unix seconds."),
    header(
        "webhook-signature", {"type": "string"}, "`v1,` and a signature; after a rotation two, with a blank between."
    ),
]


class GenerationEvent(BaseModel):
    """What is POSTed: the generation as it was shown at that moment. See https://www.standardwebhooks.com."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"type": "generation.succeeded", "timestamp": AT}]})

    type: EventType
    timestamp: datetime
    data: Generation


def describe(routes: APIRouter) -> None:
    """Adds each event to the application's webhooks."""
    for type_ in TYPES.values():
        routes.add_api_route(
            type_,
            _received,
            methods=["POST"],
            status_code=204,
            responses=ANSWERS,
            openapi_extra={"parameters": HEADERS},
            tags=["Webhooks"],
            operation_id="receive" + "".join(word.capitalize() for word in type_.split(".")),
            summary=f"Receive a {type_} event",
        )


async def _received(_: GenerationEvent) -> Response:
    """It is the receiver who answers this."""
    return Response(status_code=204)
