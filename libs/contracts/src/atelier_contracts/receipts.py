"""What a receipt says beside the books. The commands that settle a hold carry it, so that the charge and its receipt
are written in one transaction."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from atelier_contracts.value_objects import DeliveryMethod, Kind, Owner, ValueObject

EndOutcome = Literal["succeeded", "failed", "expired", "cancelled", "rejected"]


class RequestRecord(ValueObject):
    """A request as it stands in its receipt."""

    surface: str
    sha256: str
    """In hex, over the canonical JSON of the salt and the request; the gateway keeps both for the owner."""
    requested_at: datetime


class DeliveredOutput(ValueObject):
    """One output: SHA-256 in hex over the stored bytes, media type, size in bytes. ``delivered_by`` and
    ``delivered_at`` where it was charged on delivery."""

    sha256: str
    content_type: str
    size: int
    delivered_by: DeliveryMethod | None = Field(default=None, exclude_if=lambda how: how is None)
    delivered_at: datetime | None = Field(default=None, exclude_if=lambda at: at is None)


class GenerationEnd(ValueObject):
    """How a generation ended, as its receipt says it."""

    owner: Owner
    kind: Kind
    outcome: EndOutcome
    code: str | None = None
    """Why nothing was delivered; None where it was."""
    outputs: tuple[DeliveredOutput, ...] = ()
    provider: str | None = None
    model: str | None = None
    request: RequestRecord | None = None
