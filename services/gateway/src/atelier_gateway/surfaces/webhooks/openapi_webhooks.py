"""The webhooks that we send, for the ``webhooks`` part of the OpenAPI description."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from atelier_gateway.surfaces.native.dispute_openapi import Dispute
from atelier_gateway.surfaces.native.openapi import Generation
from atelier_gateway.surfaces.webhooks.requests import GenerationEventType
from atelier_gateway.web.openapi_responses import AT, SpendingCap, header
from atelier_gateway.webhooks.events import CAP_REACHED, DISPUTE_DECIDED, TYPES

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

    type: GenerationEventType
    timestamp: datetime
    test: bool = False
    """There, and true, where it is of a test account."""
    data: Generation


class DisputeEvent(BaseModel):
    """What is POSTed when a dispute is decided and what follows is done: the dispute."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"type": DISPUTE_DECIDED, "timestamp": AT}]})

    type: Literal["dispute.decided"]
    timestamp: datetime
    test: bool = False
    """There, and true, where it is of a test account."""
    data: Dispute


class CapReachedData(BaseModel):
    """``percent`` of the cap is used: 50, 80 or 100; at 100 also when it refused a generation that no longer fitted."""

    percent: Literal[50, 80, 100]
    cap: SpendingCap


class CapEvent(BaseModel):
    """What is POSTed when a cap is reached, once in its period for each percentage."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"type": CAP_REACHED, "timestamp": AT}]})

    type: Literal["cap.reached"]
    timestamp: datetime
    data: CapReachedData


def describe(routes: APIRouter) -> None:
    """Adds each event to the application's webhooks."""
    receivers: dict[str, Callable[..., Awaitable[Response]]] = dict.fromkeys(TYPES.values(), _received)
    receivers |= {DISPUTE_DECIDED: _received_dispute, CAP_REACHED: _received_cap}
    for type_, receive in receivers.items():
        routes.add_api_route(
            type_,
            receive,
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


async def _received_dispute(_: DisputeEvent) -> Response:
    """It is the receiver who answers this."""
    return Response(status_code=204)


async def _received_cap(_: CapEvent) -> Response:
    """It is the receiver who answers this."""
    return Response(status_code=204)
