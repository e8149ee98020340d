"""A handover: outputs of a generation that is charged on delivery, once they exist: what was delivered, until when.

It changes under the lock of the generation's row alone, so that the same moment decides what is delivered and what is
withdrawn. Pure.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from atelier_contracts import OutputDelivery
from atelier_contracts.value_objects import DeliveryMethod, ValueObject


class Transfer(ValueObject):
    """The last piece of an output is being sent: until that is over, or ``until``, the handover is not closed."""

    id: UUID
    output: int
    until: datetime


class Handover(ValueObject):
    """``deliver_by`` and ``outputs`` (the artefacts as JSON) once they exist; ``made`` is how many there are."""

    deliver_by: datetime | None = None
    made: int = 0
    outputs: tuple[dict[str, Any], ...] = ()
    delivered: tuple[OutputDelivery, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    is_closed: bool = False
    """Nothing more is delivered: its owner has cancelled it, or its window has passed."""

    def is_open(self, now: datetime) -> bool:
        """Whether outputs can be delivered."""
        return not self.is_closed and self.deliver_by is not None and now < self.deliver_by

    def has_delivered(self, output: int) -> bool:
        """Whether this one was delivered before."""
        return any(each.output == output for each in self.delivered)

    def is_sending(self, now: datetime) -> bool:
        """Whether the last piece of an output is on its way."""
        return any(now < transfer.until for transfer in self.transfers)

    def deliver(self, outputs: Iterable[int], how: DeliveryMethod, at: datetime) -> "Handover":
        """With these outputs delivered; those that were delivered before stay as they were."""
        new = [output for output in outputs if not self.has_delivered(output)]
        added = (OutputDelivery(output=output, how=how, at=at) for output in new)
        return self.model_copy(update={"delivered": tuple(sorted((*self.delivered, *added), key=lambda d: d.output))})

    def add_transfer(self, transfer: Transfer) -> "Handover":
        """With a transfer; those whose time is over are dropped."""
        under_way = self.transfers[-15:]
        return self.model_copy(update={"transfers": (*under_way, transfer)})

    def end_transfer(self, id_: UUID) -> "Handover":
        """Without that transfer."""
        return self.model_copy(update={"transfers": tuple(each for each in self.transfers if each.id != id_)})

    def close(self) -> "Handover":
        """With nothing more to be delivered."""
        return self.model_copy(update={"is_closed": True})

    def end(self) -> "Handover":
        """As it is kept once the generation has ended: what was delivered and when, without the outputs."""
        return Handover(deliver_by=self.deliver_by, made=self.made, delivered=self.delivered, is_closed=True)
