"""A generation as the saga sees it: its state, its triggers, and the data that later steps need."""

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
    """The states of a generation."""

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
    """Timer: the generation has taken longer than its deadline allows."""

    name = "deadline passed"


@dataclass(frozen=True, slots=True)
class GracePassed:
    """Timer: render has not answered the request to stop."""

    name = "grace passed"


@dataclass(frozen=True, slots=True)
class ResendDue:
    """Timer: no answer has come; the command is sent again with growing pauses. The receiver handles it once."""

    name = "resend due"


@dataclass(frozen=True, slots=True)
class ClientGone:
    """A cancel because no client is left to take the result: refunded even when the render is complete."""

    name = "client gone"


@dataclass(frozen=True, slots=True)
class HoldGone:
    """Billing's answer: it holds nothing for this generation any more, so nothing can be captured."""

    name = "hold gone"


@dataclass(frozen=True, slots=True)
class HoldCaptured:
    """Billing's answer: it has captured what is to be refunded, as after a restore of one database to an older backup.
    An operator must decide."""

    name = "hold captured"


Timer = DeadlinePassed | GracePassed | ResendDue
Trigger = GenerationMessage | Timer | ClientGone | HoldGone | HoldCaptured
Settlement = CreditCaptured | CreditDeclined | CreditRefunded


@dataclass(frozen=True, slots=True)
class Generation:
    """The data of one saga."""

    request: GenerationRequested
    deadline_at: datetime
    state: State = State.NEW
    ending: State | None = None
    credits: int = 0
    result: RenderCompleted | None = None
    failure: RenderFailed | None = None
    settlement: Settlement | None = None
    """Billing's last event about the credits: the end can be replayed from it."""
    resends: int = 0
    """How many times a command was sent again in this state."""
