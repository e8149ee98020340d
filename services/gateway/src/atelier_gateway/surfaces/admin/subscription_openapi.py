"""What the routes of subscriptions answer, for the OpenAPI."""

from datetime import datetime

from pydantic import BaseModel

from atelier_gateway.surfaces.admin.openapi import ACT, BODY, made, refusals
from atelier_gateway.web.openapi_responses import Responses


class Subscription(BaseModel):
    """A subscription. ``behind`` counts events of the log that are not in its queue yet, those of other types too;
    ``queued`` and ``consumers`` are null where its queue cannot be seen."""

    name: str
    events: list[str]
    paused_at: datetime | None
    created_at: datetime
    behind: int
    queued: int | None
    consumers: int | None


class SubscriptionList(BaseModel):
    """Subscriptions by name."""

    data: list[Subscription]


SUBSCRIPTIONS: Responses = {200: made(SubscriptionList, "By name"), **refusals()}
SUBSCRIPTION: Responses = {200: made(Subscription, "The subscription"), **refusals("not_found")}
CREATED: Responses = {201: made(Subscription, "The subscription"), **refusals(*BODY, "conflict")}
CHANGED: Responses = {200: made(Subscription, "The subscription as it is now"), **refusals(*BODY, "not_found")}
DELETED: Responses = {204: {"description": "Deleted"}, **refusals(ACT, "not_found")}
REPLAYED: Responses = {200: made(Subscription, "The subscription as it is now"), **refusals(*BODY, "not_found")}
