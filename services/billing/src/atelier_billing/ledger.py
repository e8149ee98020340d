"""The rules of money: pure functions over the accounts and holds of one batch of commands.

Every change is a posting that moves credits from one account to another of the same owner, so every posting sums to
zero and nothing is ever assigned. A hold is placed once, and settled once: captured (in full or in part, the rest
returned in the same step) or refunded. Time is an argument.

    granted ──grant──▶ available ──reserve──▶ held ──capture──▶ captured
                           ▲  └──expire──▶ expired │
                           └────────refund─────────┘

Corrections are in ``corrections.py``: captured ──return──▶ available, available ──take back──▶ granted.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from atelier_contracts import (
    CaptureCredit,
    CreditCaptured,
    CreditDeclined,
    CreditDeducted,
    CreditGranted,
    CreditRefunded,
    GrantCredit,
    Owner,
    RefundCredit,
    ReserveCredit,
)
from atelier_messaging import Poison
from atelier_pricing import NoPrice, Price, price, reuse_price

MoneyCommand = ReserveCredit | CaptureCredit | RefundCredit | GrantCredit
MoneyEvent = CreditDeducted | CreditDeclined | CreditCaptured | CreditRefunded | CreditGranted


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


def apply(books: Books, command: MoneyCommand) -> MoneyEvent:
    """Carries out one command and returns its event. Raises Poison for a command that can never be right.

    The same command again, under any message id, changes nothing and returns the same event.
    """
    match command:
        case ReserveCredit():
            return reserve(books, command)
        case CaptureCredit():
            return capture(books, command)
        case RefundCredit():
            return refund(books, command)
        case GrantCredit():
            return grant(books, command)


def reserve(books: Books, command: ReserveCredit) -> CreditDeducted | CreditDeclined:
    """available → held, the soonest to expire first; declined when unpriced, withdrawn, or not covered."""
    id_ = command.generation_id
    if (hold := books.holds.get(id_)) is not None:
        if hold.state is HoldState.OPEN:
            return CreditDeducted(
                generation_id=id_, owner=command.owner, credits=hold.credits, price_book=hold.price_book
            )
        return CreditDeclined(generation_id=id_, reason="withdrawn", required=0, available=0)
    work = command.work
    quoted = price(work.kind, quality=work.quality, size=work.size, n=work.n, characters=work.characters)
    if isinstance(quoted, NoPrice):
        return CreditDeclined(generation_id=id_, reason="unpriced", required=0, available=0)
    wallet = books.wallets.setdefault(command.owner.id, Wallet(command.owner))
    expire_due(books, wallet)
    available = wallet.balances[Account.AVAILABLE]
    if available < quoted.credits:
        return CreditDeclined(
            generation_id=id_, reason="insufficient_credits", required=quoted.credits, available=available
        )
    _place(books, wallet, id_, quoted)
    return CreditDeducted(generation_id=id_, owner=command.owner, credits=quoted.credits, price_book=quoted.book)


def _place(books: Books, wallet: Wallet, generation_id: UUID, quoted: Price) -> None:
    hold = Hold(generation_id, wallet.owner.id, quoted.unit_credits, quoted.units, quoted.book)
    wanted = quoted.credits
    for source in sorted(wallet.grants.values(), key=Grant.order_of_spending):
        taken = min(wanted, source.remaining)
        if taken:
            hold.lots[source.id] = taken
            books.move(PostingKind.RESERVE, wallet, source, taken, hold)
            wanted -= taken
    books.holds[generation_id] = books.changed_holds[generation_id] = hold


def capture(books: Books, command: CaptureCredit) -> CreditCaptured:
    """held → captured for what was delivered, made or reused; the rest goes back to the grants it came from."""
    hold = books.holds.get(command.generation_id)
    if hold is None or hold.state is HoldState.REFUNDED:
        raise Poison(f"capture of {command.generation_id}: there is no open hold")
    if command.delivered > hold.units:
        raise Poison(f"capture of {command.generation_id}: {command.delivered} delivered, {hold.units} held for")
    if hold.state is HoldState.OPEN:
        hold.reused = command.reused
        unit = reuse_price(hold.unit_credits) if command.reused else hold.unit_credits
        _settle(books, hold, charge=unit * command.delivered, state=HoldState.CAPTURED)
    return CreditCaptured(generation_id=hold.generation_id, captured=hold.captured, refunded=hold.refunded)


def refund(books: Books, command: RefundCredit) -> CreditRefunded:
    """held → available, all of it. Where nothing was held yet it leaves a tombstone that refuses the late reserve."""
    hold = books.holds.get(command.generation_id)
    if hold is None:
        hold = Hold(command.generation_id, None, 0, 0, "", HoldState.REFUNDED)
        books.holds[hold.generation_id] = books.changed_holds[hold.generation_id] = hold
    if hold.state is HoldState.CAPTURED:
        raise Poison(f"refund of {command.generation_id}: it is captured already")
    if hold.state is HoldState.OPEN:
        _settle(books, hold, charge=0, state=HoldState.REFUNDED)
    return CreditRefunded(generation_id=hold.generation_id, refunded=hold.refunded)


def _settle(books: Books, hold: Hold, *, charge: int, state: HoldState) -> None:
    """Ends a hold: charges ``charge`` credits of it, in the order they were taken, and returns the others."""
    assert hold.owner_id is not None, "only a tombstone has no owner, and it is never open"
    wallet = books.wallets[hold.owner_id]
    for grant_id, credits in hold.lots.items():
        source = wallet.grants[grant_id]
        charged = min(charge - hold.captured, credits)
        books.move(PostingKind.CAPTURE, wallet, source, charged, hold)
        books.move(PostingKind.REFUND, wallet, source, credits - charged, hold)
        hold.captured += charged
        hold.refunded += credits - charged
    assert hold.captured + hold.refunded == hold.credits, f"hold {hold.generation_id} is not settled in full"
    hold.state = state
    books.changed_holds[hold.generation_id] = hold
    expire_due(books, wallet)


def grant(books: Books, command: GrantCredit) -> CreditGranted:
    """granted → available. The same grant id grants once; a repeated command returns the event of the first."""
    given_before = command.grant_id in books.known_grants
    if not given_before:
        wallet = books.wallets.setdefault(command.owner.id, Wallet(command.owner))
        source = Grant(command.grant_id, 0, command.priority, command.expires_at)
        wallet.grants[source.id] = source
        books.new_grants.append((command, source))
        books.move(PostingKind.GRANT, wallet, source, command.credits)
        expire_due(books, wallet)
        books.known_grants[source.id] = _event_of_grant(command)
    known = books.known_grants[command.grant_id]
    wallet_now = books.wallets.get(known.owner.id)
    available = wallet_now.balances[Account.AVAILABLE] if wallet_now else known.available
    return known.model_copy(update={"available": available, "given_before": given_before})


def _event_of_grant(command: GrantCredit) -> CreditGranted:
    same = command.model_dump(include={"grant_id", "owner", "credits", "priority", "expires_at"})
    return CreditGranted(**same, available=0)


def expire_due(books: Books, wallet: Wallet) -> None:
    """available → expired for every grant of this owner whose time has passed."""
    for source in wallet.grants.values():
        if source.expires_at is not None and source.expires_at <= books.now:
            books.move(PostingKind.EXPIRE, wallet, source, source.remaining)
