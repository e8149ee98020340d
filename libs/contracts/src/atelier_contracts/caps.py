"""Caps: how many credits of an owner a spender may spend in a period. Billing keeps them.

A cap belongs to one account. Whose spending it bounds, its spender, is the owner, or one who spends the owner's
credits: an API key of a store, a member of a workspace. Periods are of UTC. Amounts are whole credits.
"""

from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID, uuid5

from pydantic import Field

from atelier_contracts.message import Message
from atelier_contracts.value_objects import CREDITS_MAX, Owner, Spender, ValueObject

CapPeriod = Literal["day", "month", "total"]
_NAMES = UUID("0d3e5d1c-2f0b-4c3a-9a55-5a1f6d0c7e21")


def cap_id_of(owner: Owner, spender: Spender, period: CapPeriod) -> UUID:
    """The id of a cap: it follows from what the cap is on, so that there is one of each."""
    return uuid5(_NAMES, f"{owner.kind} {owner.id} {spender.kind} {spender.id} {period}")


class CapUse(ValueObject):
    """A cap, and what counts towards it in its present period: ``held`` by generations that have not ended, and
    ``captured`` for those that were charged."""

    id: UUID
    owner: Owner
    spender: Spender
    period: CapPeriod
    credits: int
    """The most that may be spent in one period."""
    held: int = 0
    captured: int = 0
    since: datetime | None = None
    """When the period began; None for a total."""
    renews_at: datetime | None = None
    """When the next one begins; None for a total."""


class CapMessage(Message):
    """A message about one cap."""

    cap_id: UUID

    @property
    def subject(self) -> UUID:
        """The cap."""
        return self.cap_id


class SetCap(CapMessage):
    """Set the cap of a spender for a period, or remove it. It counts what is reserved from then on."""

    name: ClassVar[str] = "billing.set_cap.v1"
    senders: ClassVar[tuple[str, ...]] = ("gateway",)
    owner: Owner
    spender: Spender
    period: CapPeriod
    credits: int | None = Field(default=None, ge=0, le=CREDITS_MAX)
    """None removes it."""
    recount: bool = False
    """Whether what counts towards it is added up from the holds again: the repair of a count that is wrong."""
    ordered_at: datetime | None = None
    """When it was ordered (the gateway's database clock, UTC): one that is older than the last has no effect."""
    reply_to: str | None = None


class CapSet(CapMessage):
    """The reply to SetCap."""

    name: ClassVar[str] = "billing.cap_set.v1"
    cap: CapUse | None = None
    """The cap as it is now; None where it is removed."""
    ordered_at: datetime | None = None
    """Of the command that it follows from, which may be a later one than this replies to."""


class CapReached(CapMessage):
    """More than ``percent`` of a cap is used, for the first time in its period; at 100 also when it refused a
    reservation that no longer fitted."""

    name: ClassVar[str] = "billing.cap_reached.v1"
    percent: Literal[50, 80, 100]
    cap: CapUse
