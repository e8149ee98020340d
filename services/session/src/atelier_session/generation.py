"""A generation as the saga knows it: where it stands, what it can hear, what has been learned."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from atelier_contracts import (
    CreditCaptured,
    CreditDeclined,
    CreditRefunded,
    GenerationRequested,
    RenderCompleted,
    RenderFailed,
)
from atelier_contracts.message import GenerationMessage


class State(StrEnum):
    """Where a generation stands."""

    NEW = "new"
    RESERVING = "reserving"
    QUEUED = "queued"
    RENDERING = "rendering"
    STOPPING = "stopping"
    CAPTURING = "capturing"
    REFUNDING = "refunding"
    REJECTED = "rejected"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """Our own clock: the generation has taken longer than it was allowed to."""

    name = "deadline passed"


@dataclass(frozen=True, slots=True)
class GracePassed:
    """Our own clock: render was asked to stop and has not answered."""

    name = "grace passed"


@dataclass(frozen=True, slots=True)
class ResendDue:
    """Our own clock: no answer has come; the command is sent again, less and less often, and is idempotent there."""

    name = "resend due"


@dataclass(frozen=True, slots=True)
class ClientGone:
    """A cancel whose cause is that nobody is left to take the result: it is refunded even when it is rendered."""

    name = "client gone"


@dataclass(frozen=True, slots=True)
class HoldGone:
    """Billing was asked and holds nothing for this generation any more: there is nothing that could be captured."""

    name = "hold gone"


@dataclass(frozen=True, slots=True)
class HoldCaptured:
    """Billing was asked and has captured what is to be refunded: databases of different moments. A person decides."""

    name = "hold captured"


Timer = DeadlinePassed | GracePassed | ResendDue
Heard = GenerationMessage | Timer | ClientGone | HoldGone | HoldCaptured
Settlement = CreditCaptured | CreditDeclined | CreditRefunded


@dataclass(frozen=True, slots=True)
class Generation:
    """All that the saga knows of one generation."""

    request: GenerationRequested
    deadline_at: datetime
    state: State = State.NEW
    ending: State | None = None
    credits: int = 0
    result: RenderCompleted | None = None
    failure: RenderFailed | None = None
    settlement: Settlement | None = None
    """What billing said last of the credits: with it the end can be told again."""
    resends: int = 0
    """How often a command was sent again in this state."""
