"""A generation as the saga sees it: its state, its triggers, and the data that later steps need."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from atelier_contracts import (
    CreditCaptured,
    CreditDeclined,
    CreditRefunded,
    GenerationRequested,
    OutputDelivery,
    RenderCompleted,
    RenderFailed,
)
from atelier_contracts.message import GenerationMessage
from atelier_contracts.value_objects import ValueObject


class State(StrEnum):
    """The states of a generation."""

    NEW = "new"
    RESERVING = "reserving"
    QUEUED = "queued"
    RENDERING = "rendering"
    STOPPING = "stopping"
    DELIVERING = "delivering"
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
class StartPassed:
    """Timer: the render was to start by now, and has not."""

    name = "start deadline passed"


@dataclass(frozen=True, slots=True)
class GracePassed:
    """Timer: render has not answered the request to stop."""

    name = "grace passed"


@dataclass(frozen=True, slots=True)
class WindowPassed:
    """Timer: the delivery window is over, and the gateway delivers nothing of it any more. ``delivered`` is what it
    has delivered before."""

    delivered: tuple[OutputDelivery, ...] = ()
    name = "window passed"


@dataclass(frozen=True, slots=True)
class ResendDue:
    """Timer: no answer has come; the command is sent again with growing pauses. The receiver handles it once."""

    name = "resend due"


@dataclass(frozen=True, slots=True)
class ClientGone:
    """A cancel because no client is left to take the result: refunded even when the render is complete. ``delivered``
    is what the client has nevertheless, where it is charged on delivery."""

    delivered: tuple[OutputDelivery, ...] = ()
    name = "client gone"


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """The client's bucket does not take what is charged on delivery. ``delivered`` is what it has taken before."""

    reason: str
    delivered: tuple[OutputDelivery, ...] = ()
    name = "undeliverable"


@dataclass(frozen=True, slots=True)
class HoldGone:
    """Billing's answer: it holds nothing for this generation any more, so nothing can be captured."""

    name = "hold gone"


@dataclass(frozen=True, slots=True)
class HoldCaptured:
    """Billing's answer: it has captured what is to be refunded, as after a restore of one database to an older backup.
    An operator must decide."""

    name = "hold captured"


@dataclass(frozen=True, slots=True)
class CapturedUnstored:
    """Billing has captured what was delivered, and its request wants nothing stored from then on."""

    captured: CreditCaptured
    name = "captured, not stored"


@dataclass(frozen=True, slots=True)
class OutputsReady:
    """The render of a generation that is charged on delivery is complete."""

    completed: RenderCompleted
    deliver_by: datetime
    name = "outputs ready"


@dataclass(frozen=True, slots=True)
class AllDelivered:
    """With these deliveries the client has all outputs."""

    delivered: tuple[OutputDelivery, ...]
    name = "all delivered"


@dataclass(frozen=True, slots=True)
class PartDelivered:
    """The window has passed, or the client has cancelled, and has some of the outputs."""

    delivered: tuple[OutputDelivery, ...]
    name = "part delivered"


Timer = DeadlinePassed | StartPassed | GracePassed | WindowPassed | ResendDue
Trigger = (
    GenerationMessage
    | Timer
    | ClientGone
    | Undeliverable
    | HoldGone
    | HoldCaptured
    | CapturedUnstored
    | OutputsReady
    | AllDelivered
    | PartDelivered
)
Settlement = CreditCaptured | CreditDeclined | CreditRefunded


class DeliveryRecord(ValueObject):
    """Of a generation that is charged on delivery, once its outputs exist: until when they can be taken, and which
    were; one entry an output, in their order."""

    deliver_by: datetime
    delivered: tuple[OutputDelivery, ...] = ()

    def add(self, deliveries: Iterable[OutputDelivery]) -> "DeliveryRecord":
        """With these; of an output that was delivered before, the first delivery stays."""
        by_output = {each.output: each for each in (*reversed(tuple(deliveries)), *self.delivered)}
        return DeliveryRecord(
            deliver_by=self.deliver_by, delivered=tuple(by_output[output] for output in sorted(by_output))
        )


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
    delivery: DeliveryRecord | None = None

    @property
    def start_by(self) -> datetime | None:
        """When its render is to have started; None where that is open, or where it has."""
        within_s = self.request.start_within_s
        if within_s is None or self.state not in (State.RESERVING, State.QUEUED):
            return None
        return self.deadline_at - timedelta(seconds=self.request.deadline_s - within_s)
