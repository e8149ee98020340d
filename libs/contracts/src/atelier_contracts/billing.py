"""Billing's messages. Every amount is a whole number of credits, never negative."""

from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from atelier_contracts.caps import CapUse
from atelier_contracts.message import Command, Event, Message
from atelier_contracts.receipts import GenerationEnd, RequestRecord
from atelier_contracts.value_objects import CREDITS_MAX, N_MAX, QUOTE_CHARS_MAX, SPENDERS_MAX, Owner, Spender, Work

DeclineReason = Literal["insufficient_credits", "unpriced", "withdrawn", "cap_exceeded", "quote_refused"]
QuoteRefusal = Literal["altered", "expired", "other_owner", "other_request"]
"""Why a quote does not hold: not as it was signed, too late, or for somebody or something else."""
CorrectionKind = Literal["return", "take_back"]
CorrectionRefusal = Literal["not_charged", "exceeds_charge"]


class ReserveCredit(Command):
    """Place a hold for this work. Billing prices the work itself, from its own book."""

    name: ClassVar[str] = "billing.reserve_credit.v1"
    senders: ClassVar[tuple[str, ...]] = ("session",)
    owner: Owner
    work: Work
    record: RequestRecord | None = None
    """For the receipt of a refusal."""
    spenders: tuple[Spender, ...] = Field(default=(), max_length=SPENDERS_MAX)
    """The spenders of the owner's credits, beside the owner: their caps hold as well."""
    quote: str | None = Field(default=None, max_length=QUOTE_CHARS_MAX)
    """A price that billing has signed: it charges no more."""


class CaptureCredit(Command):
    """Charge for what was delivered, return the rest of the hold in the same step."""

    name: ClassVar[str] = "billing.capture_credit.v1"
    senders: ClassVar[tuple[str, ...]] = ("session",)
    delivered: int = Field(ge=1, le=N_MAX)
    """How many of the n outputs exist; more than were held for is a poison message."""
    reused: bool = False
    """They are an equal earlier result: charged by the price book's price for that."""
    end: GenerationEnd | None = None
    """For the receipt."""


class RefundCredit(Command):
    """Return the whole hold. Before the reservation it leaves a tombstone that refuses the late reserve."""

    name: ClassVar[str] = "billing.refund_credit.v1"
    senders: ClassVar[tuple[str, ...]] = ("session",)
    end: GenerationEnd | None = None
    """For the receipt; None where the session knows no more than the hold."""


class GrantMessage(Message):
    """A message about one grant of credits."""

    grant_id: UUID

    @property
    def subject(self) -> UUID:
        """The grant."""
        return self.grant_id


class GrantCredit(GrantMessage):
    """Give credits; the same ``grant_id`` grants once."""

    name: ClassVar[str] = "billing.grant_credit.v1"
    senders: ClassVar[tuple[str, ...]] = ("gateway",)
    owner: Owner
    credits: int = Field(ge=1, le=CREDITS_MAX)
    priority: int = Field(default=0, ge=-100, le=100)
    """Lower is spent first."""
    expires_at: datetime | None = None
    reason: str = Field(min_length=1, max_length=500)
    reply_to: str | None = None


class CreditDeducted(Event):
    """A hold was placed: these credits moved from available to held."""

    name: ClassVar[str] = "billing.credit_deducted.v1"
    owner: Owner
    credits: int
    price_book: str


class CreditDeclined(Event):
    """No hold was placed and nothing moved."""

    name: ClassVar[str] = "billing.credit_declined.v1"
    reason: DeclineReason
    required: int
    available: int
    cap: CapUse | None = None
    """The cap that leaves too little room; of several the one that lasts longest."""
    quote_refusal: QuoteRefusal | None = None
    """Why the quote does not hold, where that is the reason."""


class CreditCaptured(Event):
    """The hold is settled: ``captured`` is charged, ``refunded`` went back to available."""

    name: ClassVar[str] = "billing.credit_captured.v1"
    captured: int
    refunded: int


class CreditRefunded(Event):
    """The hold is closed and everything went back to available (0 where nothing was held)."""

    name: ClassVar[str] = "billing.credit_refunded.v1"
    refunded: int


class CreditGranted(GrantMessage):
    """Credits were granted. Owner, credits, priority and expiry are those of the grant, not of a repeated command."""

    name: ClassVar[str] = "billing.credit_granted.v1"
    owner: Owner
    credits: int
    available: int
    """What the owner has now."""
    priority: int = 0
    expires_at: datetime | None = None
    given_before: bool = False
    """Nothing moved: a grant with this id was on the books already."""


class GrantExpired(GrantMessage):
    """What was left of a grant has expired: it moved from available to expired."""

    name: ClassVar[str] = "billing.grant_expired.v1"
    owner: Owner
    credits: int
    available: int
    """What the owner has after it."""


class CorrectionMessage(Message):
    """A message about one correction of the books."""

    correction_id: UUID

    @property
    def subject(self) -> UUID:
        """The correction."""
        return self.correction_id


class ReturnCredit(CorrectionMessage):
    """Give back what was charged for a generation, in full or in part; the same ``correction_id`` returns once."""

    name: ClassVar[str] = "billing.return_credit.v1"
    senders: ClassVar[tuple[str, ...]] = ("gateway", "session")
    generation_id: UUID
    credits: int | None = Field(default=None, ge=1, le=CREDITS_MAX)
    """All that is still charged where it is None."""
    reason: str = Field(min_length=1, max_length=500)
    reply_to: str | None = None


class TakeBackCredit(CorrectionMessage):
    """Take back credits that were granted by mistake, as many of them as are available; the same ``correction_id``
    takes once."""

    name: ClassVar[str] = "billing.take_back_credit.v1"
    senders: ClassVar[tuple[str, ...]] = ("gateway",)
    owner: Owner
    grant_id: UUID | None = None
    """From this grant alone; from any of the owner's where it is None."""
    credits: int | None = Field(default=None, ge=1, le=CREDITS_MAX)
    """All that is available there where it is None."""
    reason: str = Field(min_length=1, max_length=500)
    reply_to: str | None = None


class CreditReturned(Event):
    """Credits that were charged for a generation went back to its owner, by a correction."""

    name: ClassVar[str] = "billing.credit_returned.v1"
    correction_id: UUID
    credits: int
    returned: int
    """All that went back so far, this time included."""
    reason: str


class BooksCorrected(CorrectionMessage):
    """The reply to a correction: what it moved, which is nothing where it was refused."""

    name: ClassVar[str] = "billing.books_corrected.v1"
    kind: CorrectionKind
    owner: Owner | None
    """None where nothing was charged for the generation."""
    generation_id: UUID | None = None
    grant_id: UUID | None = None
    credits: int
    available: int
    """What the owner has now."""
    refused: CorrectionRefusal | None = None
    corrected_before: bool = False
    """Nothing moved now: a correction with this id is on the books, and these are its credits."""
    ordered: int | None = None
    """The credits that its command named, 0 where it named none; None for a correction from before this field."""
