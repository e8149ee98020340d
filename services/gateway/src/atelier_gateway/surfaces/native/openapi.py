"""What the native surface answers, for its OpenAPI: the shapes with examples, and which refusals each route has."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from atelier_contracts import Kind
from atelier_contracts.value_objects import AudioFormat, ImageFormat, Priority, Role
from atelier_gateway.web.openapi_responses import AT, ProviderModel

Status = Literal["queued", "rendering", "succeeded", "failed", "cancelled", "expired", "rejected"]


class GenerationCredits(BaseModel):
    """Where the credits of a generation are; whole credits. ``returned``: of those captured, given back since."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reserved": 20, "captured": 10, "refunded": 10, "returned": 0}]}
    )

    reserved: int
    captured: int
    refunded: int
    returned: int


class GenerationOutput(BaseModel):
    """One delivered artefact; ``url`` and ``thumbnail`` (a WebP, its long side 256 pixels) are signed for 15 minutes.
    ``colours`` are its dominant ones, the most frequent first; audio has neither."""

    url: str
    key: str
    content_type: str
    width: int | None
    height: int | None
    checksum: str
    thumbnail: str | None
    colours: list[str]
    tags: list[str]


class InputReference(BaseModel):
    """An input, by key or URL; what came in the body lies under a key."""

    role: Role
    key: str | None
    url: str | None


class Generation(BaseModel):
    """A generation: its request, its state, its cost. ``provider`` made it, or is the requested one before that,
    null where none was named; ``reused`` whether an equal earlier result was delivered."""

    id: UUID
    kind: Kind
    status: Status
    progress: int
    queue_position: int | None
    eta_s: int | None
    """Seconds from now to its end, as half of the like of it took."""
    eta_p90_s: int | None
    """Seconds in which nine of ten of the like of it were done."""
    provider: str | None
    asked_provider: str | None
    """As it was named."""
    model: str | None
    """As it was named."""
    successor: str | None
    """The model that makes it instead, where the one that was named is withdrawn; it costs the less of both prices."""
    made_by: ProviderModel | None
    """What made the outputs, once they are made."""
    prompt: str | None
    inputs: list[InputReference]
    size: str | None
    """As it is made; null where it follows from the inputs."""
    style: str | None
    quality: str | None
    format: ImageFormat | None
    n: int | None
    seed: int | None
    language: str | None
    audio_format: AudioFormat | None
    reuse: bool
    priority: Priority
    deadline_s: int | None
    webhook_url: str | None
    metadata: dict[str, str]
    """The client's own, as it stood in the request."""
    reused: bool
    credits: GenerationCredits
    outputs: list[GenerationOutput]
    error: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    """When its first render began."""
    ended_at: datetime | None
    links: dict[str, str]


class GenerationPage(BaseModel):
    """Generations, newest first."""

    data: list[Generation]
    next_cursor: str | None


class LedgerPosting(BaseModel):
    """Credits that moved from account ``debit`` to account ``credit``."""

    at: datetime
    kind: Literal["grant", "reserve", "capture", "refund", "expire", "return", "take_back"]
    debit: str
    credit: str
    credits: int


class CreditEntry(LedgerPosting):
    """A posting of the owner's account."""

    id: UUID
    generation_id: UUID | None


class CreditEntryPage(BaseModel):
    """Postings, newest first."""

    data: list[CreditEntry]
    next_cursor: str | None


class Quote(BaseModel):
    """What a create with this body would reserve."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"credits": 20, "price_book": "v2", "expires_at": AT}]})

    credits: int
    price_book: str
    expires_at: datetime


class TimelineStep(BaseModel):
    """One thing that happened."""

    at: datetime
    what: str


class GenerationTimeline(BaseModel):
    """The steps of a generation, in order."""

    id: UUID
    status: Status
    summary: str
    metadata: dict[str, str]
    steps: list[TimelineStep]
    is_complete: bool
    """False while a service does not answer: its steps are missing, ask again later."""


class Upload(BaseModel):
    """An upload. ``expires_at`` is null once something is made of it."""

    id: UUID
    key: str
    filename: str
    content_type: str
    size_bytes: int | None
    used: bool
    created_at: datetime
    expires_at: datetime | None


class UploadPage(BaseModel):
    """Uploads, newest first; ``next_cursor`` leads to older ones."""

    data: list[Upload]
    next_cursor: str | None


class UploadTarget(BaseModel):
    """Where to PUT the bytes, with which headers, and how to name them afterwards."""

    id: UUID
    key: str
    upload_url: str
    method: Literal["PUT"]
    headers: dict[str, str]
    url: str
    expires_at: datetime
