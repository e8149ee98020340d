"""The session's events about a generation."""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field

from atelier_contracts.billing import DeclineReason, QuoteRefusal
from atelier_contracts.caps import CapUse
from atelier_contracts.message import Event
from atelier_contracts.value_objects import Artefact, Metadata


class GenerationFact(Event):
    """The fields of all these events."""

    metadata: Metadata = Field(default_factory=Metadata)
    """The client's own, as it stood in the request."""


class GenerationQueued(GenerationFact):
    """Admitted: credits are held and the render is requested."""

    name: ClassVar[str] = "session.generation_queued.v1"
    credits: int
    """Credits held."""


class GenerationRejected(GenerationFact):
    """Not admitted: nothing was reserved and nothing will be made."""

    name: ClassVar[str] = "session.generation_rejected.v1"
    reason: DeclineReason
    required: int
    available: int
    cap: CapUse | None = None
    """The cap that left too little room, where that is the reason."""
    quote_refusal: QuoteRefusal | None = None
    """Why the quote does not hold, where that is the reason."""


class GenerationReady(GenerationFact):
    """Charged on delivery: the outputs exist, and nothing is charged yet. What is not delivered by ``deliver_by`` (the
    session's database clock, UTC) is withdrawn and refunded."""

    name: ClassVar[str] = "session.generation_ready.v1"
    outputs: tuple[Artefact, ...]
    made: int
    """How many outputs; each is delivered and charged apart."""
    deliver_by: datetime
    provider: str
    model: str | None = None
    reused: bool = False


class GenerationSucceeded(GenerationFact):
    """Delivered and charged: ``captured`` for what exists, ``refunded`` for what does not."""

    name: ClassVar[str] = "session.generation_succeeded.v1"
    outputs: tuple[Artefact, ...]
    delivered: int
    captured: int
    refunded: int
    provider: str
    model: str | None = None
    """The model that made them, where the provider has models with names; not always the requested one."""
    reused: bool = False
    """An equal earlier result was delivered, at the price book's price for that."""


class GenerationFailed(GenerationFact):
    """Not delivered, not charged; ``expired`` when its deadline passed first."""

    name: ClassVar[str] = "session.generation_failed.v1"
    outcome: Literal["failed", "expired"]
    code: str
    reason: str
    refunded: int


class GenerationCancelled(GenerationFact):
    """Stopped at the client's wish, not charged."""

    name: ClassVar[str] = "session.generation_cancelled.v1"
    refunded: int
