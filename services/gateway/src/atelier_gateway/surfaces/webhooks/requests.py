"""Request bodies of the webhook routes."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue

from atelier_gateway.web.json_bodies import MultilineText, RequestBody
from atelier_gateway.webhooks.receiver_urls import URL_CHARS_MAX

GenerationEventType = Literal[
    "generation.queued",
    "generation.rendering",
    "generation.succeeded",
    "generation.failed",
    "generation.cancelled",
    "generation.expired",
    "generation.rejected",
]
"""As ``webhooks.events.TYPES`` has them."""
EventType = Literal[GenerationEventType, "dispute.decided", "cap.reached"]
Url = Annotated[str, Field(min_length=1, max_length=URL_CHARS_MAX)]
Events = Annotated[list[EventType], Field(max_length=20)]
Description = Annotated[MultilineText, Field(max_length=500)]
EXAMPLE: dict[str, JsonValue] = {
    "url": "https://shop.example.org/atelier",
    "events": ["generation.succeeded", "generation.failed"],
    "description": "orders",
}


class NewWebhook(RequestBody):
    """A new endpoint. Without events: all of them."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    url: Url
    events: Events = Field(default_factory=list)
    description: Description = ""


class WebhookChange(RequestBody):
    """The fields to change. ``disabled: false`` also enables an endpoint that the service has disabled."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"disabled": True}]})

    url: Url | None = None
    events: Events | None = None
    description: Description | None = None
    disabled: bool | None = None
