"""What the rules of money work on: the accounts, grants, holds and caps of one batch of commands, and its postings."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from atelier_billing import caps
from atelier_billing.caps import Cap
from atelier_billing.quotes import Quote
from atelier_contracts import CapReached, CreditGranted, GrantCredit, GrantExpired, Owner


class Account(StrEnum):
    """The accounts each owner has. ``granted`` is where credits come from: it is the only one below zero."""

    GRANTED = "granted"
    AVAILABLE = "available"
    HELD = "held"
    CAPTURED = "captured"
    EXPIRED = "expired"


class PostingKind(StrEnum):
    """Why credits moved."""

    GRANT = "grant"
    RESERVE = "reserve"
    CAPTURE = "capture"
    REFUND = "refund"
    EXPIRE = "expire"
    RETURN = "return"
    TAKE_BACK = "take_back"


ROUTE = {
    PostingKind.GRANT: (Account.GRANTED, Account.AVAILABLE),
    PostingKind.RESERVE: (Account.AVAILABLE, Account.HELD),
    PostingKind.CAPTURE: (Account.HELD, Account.CAPTURED),
    PostingKind.REFUND: (Account.HELD, Account.AVAILABLE),
    PostingKind.EXPIRE: (Account.AVAILABLE, Account.EXPIRED),
    PostingKind.RETURN: (Account.CAPTURED, Account.AVAILABLE),
    PostingKind.TAKE_BACK: (Account.AVAILABLE, Account.GRANTED),
}
"""From which account to which, by kind: there is no other way for credits to move."""


class HoldState(StrEnum):
    """A hold is open until it is settled, once. A refund that came first leaves a refunded hold of nothing."""

    OPEN = "open"
    CAPTURED = "captured"
    REFUNDED = "refunded"


@dataclass(frozen=True, slots=True)
class Posting:
    """``credits`` (> 0) moved from ``debit`` to ``credit`` within one grant of one owner."""

    kind: PostingKind
    owner_id: UUID
    grant_id: UUID
    credits: int
    generation_id: UUID | None = None

    @property
    def debit(self) -> Account:
        """The account that has less now."""
        return ROUTE[self.kind][0]

    @property
    def credit(self) -> Account:
        """The account that has more now."""
        return ROUTE[self.kind][1]


@dataclass(slots=True)
class Grant:
    """Credits given at once, with one priority and one expiry; ``remaining`` of them are available."""

    id: UUID
    remaining: int
    priority: int = 0
    expires_at: datetime | None = None

    def order_of_spending(self) -> tuple[int, bool, float, UUID]:
        """Sort key: lower priority first, then the soonest to expire, then the oldest."""
        expiry = self.expires_at
        return self.priority, expiry is None, expiry.timestamp() if expiry else 0.0, self.id


@dataclass(slots=True)
class Wallet:
    """One owner's accounts and the grants behind what is available."""

    owner: Owner
    balances: dict[Account, int] = field(default_factory=lambda: dict.fromkeys(Account, 0))
    grants: dict[UUID, Grant] = field(default_factory=dict)


@dataclass(slots=True)
class Hold:
    """Credits set aside for one generation: ``unit_credits`` for each of ``units`` outputs, taken from ``lots``."""

    generation_id: UUID
    owner_id: UUID | None
    unit_credits: int
    units: int
    price_book: str
    state: HoldState = HoldState.OPEN
    captured: int = 0
    refunded: int = 0
    reused: bool = False
    """What was charged is an equal earlier result, at the book's price for that."""
    lots: dict[UUID, int] = field(default_factory=dict)
    """Credits by grant, in the order they were taken."""
    known: bool = False
    """Whether it was on the books before this batch."""
    caps: tuple[UUID, ...] = ()
    """Under which it was reserved."""
    capped_at: datetime | None = None
    """The moment of whose periods it counts; None without caps."""

    @property
    def credits(self) -> int:
        """What was set aside."""
        return self.unit_credits * self.units


@dataclass(slots=True)
class Books:
    """What a batch of commands needs to know, and what it changes."""

    now: datetime
    wallets: dict[UUID, Wallet] = field(default_factory=dict)
    holds: dict[UUID, Hold] = field(default_factory=dict)
    known_grants: dict[UUID, CreditGranted] = field(default_factory=dict)
    """The grants on the books with an id of this batch, each as the event that a repeated command returns."""
    postings: list[Posting] = field(default_factory=list)
    new_grants: list[tuple[GrantCredit, Grant]] = field(default_factory=list)
    changed_holds: dict[UUID, Hold] = field(default_factory=dict)
    quotes: dict[UUID, Quote | None] = field(default_factory=dict)
    """Those that reservations of this batch name, by generation; None: not as billing signed it."""
    caps: dict[UUID, Cap] = field(default_factory=dict)
    """Those of the reserving spenders, and those that holds of which credits may go back count towards."""
    _caps_by_owner: dict[UUID, list[Cap]] | None = None
    changed_caps: dict[UUID, Cap] = field(default_factory=dict)
    refills: list[CreditGranted] = field(default_factory=list)
    """Of test accounts, by rule."""
    expiries: list[GrantExpired] = field(default_factory=list)
    reached: list[CapReached] = field(default_factory=list)
    """What is to be announced of caps."""

    def move(self, kind: PostingKind, wallet: Wallet, grant: Grant, credits: int, hold: Hold | None = None) -> None:
        """The only way credits move. An account or a grant that would fall below zero is a bug: AssertionError."""
        if credits == 0:
            return
        posting = Posting(kind, wallet.owner.id, grant.id, credits, hold.generation_id if hold else None)
        wallet.balances[posting.debit] -= credits
        wallet.balances[posting.credit] += credits
        grant.remaining += credits * ((posting.credit is Account.AVAILABLE) - (posting.debit is Account.AVAILABLE))
        assert credits > 0 and grant.remaining >= 0, f"{kind} of {credits}: the grant {grant.id} has too few left"
        assert posting.debit is Account.GRANTED or wallet.balances[posting.debit] >= 0, (
            f"{kind} of {credits}: {posting.debit} of owner {posting.owner_id} is below zero"
        )
        self.postings.append(posting)

    def caps_of(self, owner_id: UUID) -> list[Cap]:
        """Those of one account. A batch has many accounts, each with a few."""
        if self._caps_by_owner is None:
            self._caps_by_owner = {}
            for cap in self.caps.values():
                self._caps_by_owner.setdefault(cap.owner.id, []).append(cap)
        return self._caps_by_owner.get(owner_id, [])

    def change_cap(self, cap: Cap, *, is_full: bool = False) -> None:
        """Notes that a cap has changed, or that it was full."""
        announcement = caps.warn(cap, is_full=is_full)
        if announcement is not None:
            self.reached.append(announcement)
        if announcement is not None or not is_full:
            self.changed_caps[cap.id] = cap
