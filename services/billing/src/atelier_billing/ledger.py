"""The rules of money: pure functions over the accounts and holds of one batch of commands.

Every change is a posting that moves credits from one account to another of the same owner, so every posting sums to
zero and nothing is ever assigned. A hold is placed once, and settled once: captured (in full or in part, the rest
returned in the same step) or refunded. Time is an argument.

    granted ──grant──▶ available ──reserve──▶ held ──capture──▶ captured
                           ▲  └──expire──▶ expired │
                           └────────refund─────────┘

Corrections are in ``corrections.py``: captured ──return──▶ available, available ──take back──▶ granted.
"""

from uuid import UUID

from atelier_billing import caps, quotes
from atelier_billing.books import Account, Books, Grant, Hold, HoldState, PostingKind, Wallet
from atelier_contracts import (
    CaptureCredit,
    CreditCaptured,
    CreditDeclined,
    CreditDeducted,
    CreditGranted,
    CreditRefunded,
    GrantCredit,
    GrantExpired,
    RefundCredit,
    ReserveCredit,
)
from atelier_contracts.billing import QuoteRefusal
from atelier_messaging import Poison
from atelier_pricing import NoPrice, Price, reuse_price

TEST_CREDITS = 10_000
"""What a test account has at first, and is filled up to whenever it has too few."""
MoneyCommand = ReserveCredit | CaptureCredit | RefundCredit | GrantCredit
MoneyEvent = CreditDeducted | CreditDeclined | CreditCaptured | CreditRefunded | CreditGranted


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
    """available → held, the soonest to expire first; declined when unpriced, withdrawn, not covered, over a cap, or
    when its quote does not hold."""
    id_ = command.generation_id
    if (hold := books.holds.get(id_)) is not None:
        if hold.state is HoldState.OPEN:
            return CreditDeducted(
                generation_id=id_, owner=command.owner, credits=hold.credits, price_book=hold.price_book
            )
        return CreditDeclined(generation_id=id_, reason="withdrawn", required=0, available=0)
    quoted = _price_of(books, command)
    if isinstance(quoted, str):
        return CreditDeclined(generation_id=id_, reason="quote_refused", required=0, available=0, quote_refusal=quoted)
    if isinstance(quoted, NoPrice):
        return CreditDeclined(generation_id=id_, reason="unpriced", required=0, available=0)
    wallet = books.wallets.setdefault(command.owner.id, Wallet(command.owner))
    expire_due(books, wallet)
    if command.owner.is_test:
        refill(books, wallet, quoted.credits, id_)
    available = wallet.balances[Account.AVAILABLE]
    if available < quoted.credits:
        return CreditDeclined(
            generation_id=id_, reason="insufficient_credits", required=quoted.credits, available=available
        )
    applying = caps.caps_on(books.caps_of(command.owner.id), command.owner, command.spenders) if books.caps else []
    capped_at = caps.begin(applying, books.now) if applying else None
    if (full := caps.refusing_cap(applying, quoted.credits)) is not None:
        books.change_cap(full, is_full=True)
        return CreditDeclined(
            generation_id=id_, reason="cap_exceeded", required=quoted.credits, available=available, cap=full.use()
        )
    hold = _place(books, wallet, id_, quoted)
    hold.caps, hold.capped_at = tuple(cap.id for cap in applying), capped_at
    for cap in applying:
        cap.used += hold.credits
        cap.held += hold.credits
        books.change_cap(cap)
    return CreditDeducted(generation_id=id_, owner=command.owner, credits=quoted.credits, price_book=quoted.book)


def _price_of(books: Books, command: ReserveCredit) -> Price | NoPrice | QuoteRefusal:
    if command.quote is None:
        return quotes.price_of(command.work)
    return quotes.price_under(books.quotes.get(command.generation_id), command, books.now)


def refill(books: Books, wallet: Wallet, needed: int, grant_id: UUID) -> None:
    """Fills the wallet of a test account up where it has less than is needed: test credits cost nothing, and the first
    request finds them there."""
    available = wallet.balances[Account.AVAILABLE]
    if available >= needed:
        return
    command = GrantCredit(
        grant_id=grant_id, owner=wallet.owner, credits=max(TEST_CREDITS, needed) - available, reason="test credits"
    )
    books.refills.append(grant(books, command))


def _place(books: Books, wallet: Wallet, generation_id: UUID, quoted: Price) -> Hold:
    hold = Hold(generation_id, wallet.owner.id, quoted.unit_credits, quoted.units, quoted.book)
    wanted = quoted.credits
    for source in sorted(wallet.grants.values(), key=Grant.order_of_spending):
        taken = min(wanted, source.remaining)
        if taken:
            hold.lots[source.id] = taken
            books.move(PostingKind.RESERVE, wallet, source, taken, hold)
            wanted -= taken
    books.holds[generation_id] = books.changed_holds[generation_id] = hold
    return hold


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
    for cap in caps.counting(books.caps, hold):
        cap.held -= hold.credits
        cap.used -= hold.refunded
        if hold.refunded:
            books.change_cap(cap)
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
        granted = command.model_dump(include={"grant_id", "owner", "credits", "priority", "expires_at"})
        books.known_grants[source.id] = CreditGranted(**granted, available=0)
    known = books.known_grants[command.grant_id]
    wallet_now = books.wallets.get(known.owner.id)
    available = wallet_now.balances[Account.AVAILABLE] if wallet_now else known.available
    return known.model_copy(update={"available": available, "given_before": given_before})


def expire_due(books: Books, wallet: Wallet) -> None:
    """available → expired for every grant of this owner whose time has passed."""
    for source in wallet.grants.values():
        if source.expires_at is not None and source.expires_at <= books.now and (left := source.remaining):
            books.move(PostingKind.EXPIRE, wallet, source, left)
            now = wallet.balances[Account.AVAILABLE]
            books.expiries.append(GrantExpired(grant_id=source.id, owner=wallet.owner, credits=left, available=now))
