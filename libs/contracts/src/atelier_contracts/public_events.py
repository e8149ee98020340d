"""The public events: facts about generations and credits for subscribers outside Atelier.

They are a contract of their own, apart from the messages on the services' bus. Each says whose it is, so that a
subscriber needs no second source. A type ends with its version; within a version fields are only added. Words that may
become more, such as kinds, are plain strings: a subscriber of today reads the events of tomorrow.
"""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from atelier_contracts.value_objects import Metadata

SUBSCRIPTIONS = "atelier.public"
"""The exchange of the subscribers' queues."""
SUBSCRIPTION_NAME = r"^[a-z][a-z0-9-]{0,39}$"


class EventOwner(BaseModel):
    """Whose generation or credits; ``kind`` is ``store``, ``user`` or ``workspace``."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    kind: str
    id: UUID


class PublicEvent(BaseModel):
    """A fact. Unknown fields are ignored, so that a new optional field breaks no subscriber."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    type: ClassVar[str]
    """Subject, sentence and version: the CloudEvents ``type``."""

    owner: EventOwner
    """Whose credits pay."""
    test: bool = False
    """There, and true, where it is of a test account: simulated, and paid for with test credits."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "type" in cls.__dict__:
            PUBLIC_EVENTS[cls.type] = cls


PUBLIC_EVENTS: dict[str, type[PublicEvent]] = {}
"""Every public event by type."""


class GenerationFact(PublicEvent):
    """A fact about one generation."""

    generation_id: UUID
    kind: str
    surface: str
    """The API surface that the request came through, such as ``native``."""
    metadata: Metadata = Field(default_factory=Metadata)
    """The client's own, as it stood in the request."""


class PublicOutput(BaseModel):
    """One delivered output. ``sha256`` in hex over its bytes, ``size`` in bytes, sides in pixels."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    content_type: str
    size: int
    sha256: str
    width: int | None = None
    height: int | None = None


class GenerationQueuedFact(GenerationFact):
    """Admitted: its credits are held and its render is requested."""

    type: ClassVar[str] = "generation.queued.v1"
    credits: int
    """Credits held."""


class GenerationStartedFact(GenerationFact):
    """A worker has begun to render it."""

    type: ClassVar[str] = "generation.started.v1"


class GenerationReadyFact(GenerationFact):
    """Charged on delivery: its outputs exist and can be taken until ``deliver_by``; nothing is charged yet."""

    type: ClassVar[str] = "generation.ready.v1"
    deliver_by: datetime
    outputs: tuple[PublicOutput, ...]
    provider: str | None = None
    model: str | None = None
    reused: bool = False


class GenerationSucceededFact(GenerationFact):
    """Delivered and charged: ``captured`` credits for what exists; ``returned`` of those held went back."""

    type: ClassVar[str] = "generation.succeeded.v1"
    captured: int
    returned: int
    outputs: tuple[PublicOutput, ...]
    provider: str | None = None
    model: str | None = None
    """The model that made them, where the provider names its models."""
    reused: bool = False
    """An equal earlier result was delivered."""


class GenerationFailedFact(GenerationFact):
    """Not delivered, not charged; ``expired`` when its deadline passed first."""

    type: ClassVar[str] = "generation.failed.v1"
    outcome: str
    code: str
    reason: str
    returned: int


class GenerationCancelledFact(GenerationFact):
    """Stopped at the client's request, not charged."""

    type: ClassVar[str] = "generation.cancelled.v1"
    returned: int


class GenerationRejectedFact(GenerationFact):
    """Not admitted: nothing was held and nothing is made."""

    type: ClassVar[str] = "generation.rejected.v1"
    reason: str
    required: int
    available: int


class GenerationDeletedFact(GenerationFact):
    """Its owner deleted it; its charge stays. Subscribers delete what they keep of it."""

    type: ClassVar[str] = "generation.deleted.v1"


class OutputsExpiredFact(GenerationFact):
    """Its outputs were kept as long as this installation keeps them and are deleted; the charge stands."""

    type: ClassVar[str] = "generation.outputs_expired.v1"


class DisputeFact(GenerationFact):
    """A fact about a dispute of some outputs of a generation."""

    dispute_id: UUID
    outputs: tuple[int, ...]
    """Places of the disputed outputs, from 0."""
    status: str
    """``refunding``, ``refunded``, ``declined`` or ``review``, which waits for an operator."""
    rule: str
    """The rule that decided so."""
    credits: int
    """Credits that are or were returned."""


class DisputeOpenedFact(DisputeFact):
    """A customer says that outputs are broken; the evidence is collected."""

    type: ClassVar[str] = "dispute.opened.v1"


class DisputeDecidedFact(DisputeFact):
    """A dispute was decided, and what was to be returned is posted."""

    type: ClassVar[str] = "dispute.decided.v1"


class CreditsGrantedFact(PublicEvent):
    """An owner received credits."""

    type: ClassVar[str] = "credits.granted.v1"
    grant_id: UUID
    credits: int
    available: int
    """What the owner had after it."""
    priority: int = 0
    """Lower is spent first."""
    expires_at: datetime | None = None


class CreditsExpiredFact(PublicEvent):
    """What was left of a grant was not spent in time: ``credits`` left available for good."""

    type: ClassVar[str] = "credits.expired.v1"
    grant_id: UUID
    credits: int
    available: int
    """What the owner had after it."""


class CreditsCorrectedFact(PublicEvent):
    """An operator corrected the books: ``return`` moved credits from captured to available, ``take_back`` those of a
    mistaken grant from available."""

    type: ClassVar[str] = "credits.corrected.v1"
    correction_id: UUID
    correction: str
    """``return`` or ``take_back``."""
    credits: int
    available: int
    """What the owner had after it."""
    generation_id: UUID | None = None
    grant_id: UUID | None = None


class CapSpender(BaseModel):
    """Whose spending a cap bounds: ``kind`` is that of the owner, or ``key`` or ``user``; there may be others."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: str
    id: UUID


class CreditsCapReachedFact(PublicEvent):
    """``percent`` (50, 80 or 100) of a cap is used, once in its period; at 100 also when it refused a generation that
    no longer fitted. ``held`` and ``captured`` credits count of at most ``credits``."""

    type: ClassVar[str] = "credits.cap_reached.v1"
    cap_id: UUID
    percent: int
    spender: CapSpender
    period: str
    """``day``, ``month`` or ``total``; of UTC."""
    credits: int
    held: int
    captured: int
    since: datetime | None = None
    """When the period began; None for a total."""
    renews_at: datetime | None = None


class CreditsHeldFact(GenerationFact):
    """``credits`` moved from available to held."""

    type: ClassVar[str] = "credits.held.v1"
    credits: int


class CreditsSettledFact(GenerationFact):
    """The hold is closed: of ``held`` credits, ``captured`` are charged and ``returned`` are available again."""

    type: ClassVar[str] = "credits.settled.v1"
    held: int
    captured: int
    returned: int


def subscription_queue(name: str) -> str:
    """The queue of a subscription."""
    return f"subscriptions.{name}"


def routing_key(name: str, type: str) -> str:
    """The key under which an event goes to the queue of one subscription."""
    return f"{name}.{type}"
