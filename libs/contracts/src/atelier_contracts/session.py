"""The session's events about a generation."""

from typing import ClassVar, Literal

from pydantic import Field

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
    reason: Literal["insufficient_credits", "unpriced", "withdrawn"]
    required: int
    available: int


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
