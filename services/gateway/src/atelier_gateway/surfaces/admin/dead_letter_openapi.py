"""What the routes of dead letters take and answer, for the OpenAPI."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from atelier_gateway.surfaces.admin.openapi import BODY, made, refusals
from atelier_gateway.web.json_bodies import MultilineText, RequestBody
from atelier_gateway.web.openapi_responses import Responses

FRAMES_MAX = 200
FRAME = "5f0c1d2e3a4b5c6d7e8f9a0b"
FrameName = Annotated[str, Field(pattern="^[0-9a-f]{24}$")]
Reason = Annotated[MultilineText, Field(min_length=1, max_length=500)]


class DeadLetterRedrive(RequestBody):
    """Which dead letters go back into their queue, by their `frame`; without `frames` all that are there, a thousand at
    most."""

    reason: Reason
    frames: list[FrameName] | None = Field(default=None, min_length=1, max_length=FRAMES_MAX, examples=[[FRAME]])


class DeadLetterDiscard(RequestBody):
    """Which dead letters are dropped for good, and the note that stays of them."""

    reason: Reason
    frames: list[FrameName] = Field(min_length=1, max_length=FRAMES_MAX, examples=[[FRAME]])


class DeadLetterQueue(BaseModel):
    """A queue: messages that wait in it, its consumers, and its dead letters. Null where the service that consumes it
    does not answer; ``reason`` says why."""

    queue: str
    service: str
    waiting: int | None
    consumers: int | None
    messages: int | None
    reason: str | None


class ServiceOutbox(BaseModel):
    """The messages of a service that no broker has confirmed, and the age of the oldest in seconds."""

    service: str
    pending: int | None
    oldest_s: float | None


class DeadLetterQueues(BaseModel):
    """All queues, and the outbox of each service."""

    data: list[DeadLetterQueue]
    outboxes: list[ServiceOutbox]


class DeadLetter(BaseModel):
    """A message that could not be handled. ``frame`` names it for redrive and discard; messages that the broker put
    aside together share one. ``dead_at`` is null where it was not recorded."""

    frame: str
    message_id: str
    name: str
    subject: str
    reason: str
    body: str
    sent_at: datetime | None
    dead_at: datetime | None


class DeadLetters(BaseModel):
    """The oldest dead letters of a queue."""

    data: list[DeadLetter]


class DeadLettersMoved(BaseModel):
    """How many frames were moved or dropped; those that were not there any more are not counted."""

    frames: int


QUEUES: Responses = {200: made(DeadLetterQueues, "The queues"), **refusals()}
LETTERS: Responses = {200: made(DeadLetters, "The oldest first"), **refusals("not_found")}
MOVED: Responses = {200: made(DeadLettersMoved, "Done"), **refusals(*BODY, "not_found")}
