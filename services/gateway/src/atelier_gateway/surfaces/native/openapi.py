"""What the native surface answers, for its OpenAPI: the shapes with examples, and which refusals each route has."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from atelier_contracts import Kind
from atelier_contracts.value_objects import AudioFormat, DeliveryMethod, ImageFormat, Priority, Role
from atelier_gateway.web.openapi_responses import AT, ProviderModel

Status = Literal["queued", "rendering", "delivering", "succeeded", "failed", "cancelled", "expired", "rejected"]
Charge = Literal["on_completion", "on_delivery"]


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
    """One artefact; ``url`` and ``thumbnail`` (a WebP, its long side 256 pixels) are signed for 15 minutes. While it is
    ``delivering``, ``url`` is a route of the gateway, which needs the credential, and there is no thumbnail.
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


class DeliveredOutput(BaseModel):
    """One output that reached its client: ``fetched`` through the gateway, ``acknowledged`` by API, or ``webhook``: the
    request's webhook was answered with 2xx; or put into the client's ``bucket``."""

    output: int
    how: DeliveryMethod
    at: datetime


class GenerationDelivery(BaseModel):
    """Of a generation that is charged on delivery: until when its outputs are to be taken, null before they exist, and
    which were taken. Each is charged as it is taken; the rest is withdrawn and refunded."""

    deliver_to: list[str] | None
    """The addresses in your own bucket, without their signatures."""
    window_s: int
    deliver_by: datetime | None
    delivered: list[DeliveredOutput]


class InputReference(BaseModel):
    """An input, by key or URL; what came in the body lies under a key."""

    role: Role
    key: str | None
    url: str | None


class Generation(BaseModel):
    """A generation: its request, its state, its cost. ``provider`` made it, or is the requested one before that,
    null where none was named; ``reused`` whether an equal earlier result was delivered."""

    id: UUID
    test: bool
    """Whether it was made with a test key: simulated, and paid for with test credits."""
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
    end_user: str | None
    """The end user of the client token that it was made with."""
    deadline_s: int | None
    providers: list[str] | None
    """Those that are called first, in this order."""
    exclude_providers: list[str] | None
    """Those that are not called."""
    start_within_s: int | None
    """Seconds in which its render was to start."""
    retry: Literal["never"] | None
    """``never``: it is submitted once."""
    store: Literal["none"] | int | None
    """Hours by which the outputs are deleted, ``none``: once they are delivered; null: as long as all are kept."""
    webhook_url: str | None
    metadata: dict[str, str]
    """The client's own, as it stood in the request."""
    charge: Charge
    delivery: GenerationDelivery | None
    """Null where it is charged on completion."""
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

    test: bool
    """Whether they are of a test account."""
    data: list[CreditEntry]
    next_cursor: str | None


class Quote(BaseModel):
    """What a create with this body reserves. ``quote`` is that price, signed as a JSON Web Signature (RFC 7515): a
    create that names it costs no more until ``expires_at``. Both are null while billing does not answer."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"test": False, "quote": "eyJh….eyJj….c2ln…", "credits": 20, "price_book": "v3", "expires_at": AT}
            ]
        }
    )

    test: bool
    """Whether it is for a test account, which pays with test credits."""
    quote: str | None
    credits: int
    price_book: str
    expires_at: datetime | None


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
    test: bool
    """Whether it is a test account's."""
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
