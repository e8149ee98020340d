"""The rules of corrections: pure functions. A charge is returned, or a mistaken grant is taken back, by postings of
their own; what was posted before stays as it is.

    captured ──return──▶ available ──take back──▶ granted
"""

from dataclasses import dataclass, field
from uuid import UUID

from atelier_billing import caps
from atelier_billing.books import Account, Books, Grant, PostingKind
from atelier_billing.ledger import expire_due
from atelier_contracts import BooksCorrected, CreditReturned, ReturnCredit, TakeBackCredit

Correction = ReturnCredit | TakeBackCredit


@dataclass(slots=True)
class Charge:
    """What is charged for one generation and not yet returned, in credits by grant, the first charged first."""

    generation_id: UUID
    owner_id: UUID
    lots: dict[UUID, int] = field(default_factory=dict)
    returned: int = 0

    @property
    def credits(self) -> int:
        """All that is still charged."""
        return sum(self.lots.values())


def return_credit(
    books: Books, command: ReturnCredit, charge: Charge | None
) -> tuple[BooksCorrected, CreditReturned | None]:
    """captured → available, into the grants that the credits came from: where one has expired, they expire with it.
    Refused, and nothing moves, when nothing is charged, or less than is to be returned."""
    if charge is None or not charge.credits:
        return _refuse(books, command, charge, "not_charged"), None
    wanted = charge.credits if command.credits is None else command.credits
    if wanted > charge.credits:
        return _refuse(books, command, charge, "exceeds_charge"), None
    wallet = books.wallets[charge.owner_id]
    left = wanted
    # The last charged is the first returned: what stays charged is of the grants that are spent first.
    for grant_id, credits in reversed(charge.lots.items()):
        moved = min(left, credits)
        books.move(PostingKind.RETURN, wallet, wallet.grants[grant_id], moved, books.holds[charge.generation_id])
        left -= moved
    # It is room again in the periods in which it was reserved, where they are not over.
    for cap in caps.counting(books.caps, books.holds[charge.generation_id]):
        cap.used -= wanted
        books.change_cap(cap)
    expire_due(books, wallet)
    event = CreditReturned(
        generation_id=command.generation_id,
        correction_id=command.correction_id,
        credits=wanted,
        returned=charge.returned + wanted,
        reason=command.reason,
    )
    return _corrected(books, command, charge, wanted), event


def repeat_return(command: ReturnCredit, done: BooksCorrected, charge: Charge) -> CreditReturned:
    """The event of a return that is on the books already, with all that has gone back by now."""
    return CreditReturned(
        generation_id=charge.generation_id,
        correction_id=done.correction_id,
        credits=done.credits,
        returned=charge.returned,
        reason=command.reason,
    )


def take_back(books: Books, command: TakeBackCredit) -> BooksCorrected:
    """available → granted, never below zero: at most what is available there, in the order of spending."""
    wallet = books.wallets.get(command.owner.id)
    taken = 0
    if wallet is not None:
        expire_due(books, wallet)
        sources = [g for g in wallet.grants.values() if command.grant_id in (None, g.id)]
        wanted = sum(g.remaining for g in sources) if command.credits is None else command.credits
        for source in sorted(sources, key=Grant.order_of_spending):
            part = min(wanted - taken, source.remaining)
            books.move(PostingKind.TAKE_BACK, wallet, source, part)
            taken += part
    return BooksCorrected(
        correction_id=command.correction_id,
        kind="take_back",
        owner=command.owner,
        grant_id=command.grant_id,
        credits=taken,
        available=wallet.balances[Account.AVAILABLE] if wallet else 0,
        ordered=command.credits or 0,
    )


def _corrected(books: Books, command: ReturnCredit, charge: Charge | None, credits: int) -> BooksCorrected:
    wallet = books.wallets.get(charge.owner_id) if charge else None
    return BooksCorrected(
        correction_id=command.correction_id,
        kind="return",
        owner=wallet.owner if wallet else None,
        generation_id=command.generation_id,
        credits=credits,
        available=wallet.balances[Account.AVAILABLE] if wallet else 0,
        ordered=command.credits or 0,
    )


def _refuse(books: Books, command: ReturnCredit, charge: Charge | None, why: str) -> BooksCorrected:
    return _corrected(books, command, charge, 0).model_copy(update={"refused": why})
