"""Billing in the exploration: the real ledger, on books that hold one generation."""

from dataclasses import replace
from functools import cache
from uuid import UUID

from atelier_billing import ledger
from atelier_billing.books import Account, Books, Grant, Hold, HoldState, Wallet
from atelier_billing.caps import FOR_GOOD, Cap
from atelier_contracts import CaptureCredit, CreditDeclined, Message, RefundCredit, ReserveCredit, Spender
from chaos.model import GRANT, ID, NOW, OWNER, UNITS, Guards, World, send

CAP = UUID(int=7)
"""With room for this generation alone: its count must be the hold's after every command."""


def bill(world: World, command: ReserveCredit | CaptureCredit | RefundCredit, guards: Guards) -> World:
    """The world after billing has handled a command."""
    hold = world.hold
    if hold and hold[0] is HoldState.REFUNDED and hold[2] == 0 and not guards.tombstone:
        hold = None
    if hold and hold[0] is not HoldState.OPEN and not guards.settled_once and not isinstance(command, ReserveCredit):
        again = UNITS if isinstance(command, RefundCredit) else 0
        charged = hold[1] + (command.delivered if isinstance(command, CaptureCredit) else 0)
        return world._replace(hold=(HoldState.CAPTURED if charged else HoldState.REFUNDED, charged, hold[2] + again))
    after, answer = _apply_command(hold, world.rich, command)
    return send(world._replace(hold=after), "session", answer)


def _counted(books: Books) -> tuple[int, int]:
    """What the hold holds, and what is charged."""
    hold = books.holds.get(ID)
    if hold is None:
        return 0, 0
    return hold.credits if hold.state is HoldState.OPEN else 0, hold.captured


@cache
def _apply_command(
    hold: tuple[HoldState, int, int] | None, rich: bool, command: ReserveCredit | CaptureCredit | RefundCredit
) -> tuple[tuple[HoldState, int, int] | None, Message]:
    """The real ledger, on books that are as this world has them."""
    books, wallet = Books(now=NOW), Wallet(OWNER)
    books.wallets[OWNER.id] = wallet
    wallet.grants[GRANT] = Grant(GRANT, 10 if rich else 0)
    wallet.balances[Account.AVAILABLE] = wallet.grants[GRANT].remaining
    if hold is not None:
        state, captured, refunded = hold
        placed = state is HoldState.OPEN or captured + refunded > 0
        units = UNITS if placed else 0
        lots = {GRANT: UNITS} if placed else {}
        owner = OWNER.id if placed else None
        held, counted = Hold(ID, owner, int(placed), units, "v1", state, captured, refunded, lots=lots), (CAP,)
        books.holds[ID] = replace(held, caps=counted if placed else (), capped_at=NOW if placed else None)
        wallet.balances[Account.HELD] = UNITS if state is HoldState.OPEN else 0
    cap = books.caps[CAP] = Cap(CAP, OWNER, Spender(kind="store", id=OWNER.id), "total", UNITS, FOR_GOOD)
    cap.held, cap.used = _counted(books)[0], sum(_counted(books))
    answer = ledger.apply(books, command)
    assert (cap.held, cap.captured) == _counted(books), f"{command.name}: the cap counts {cap.held}, {cap.captured}"
    if isinstance(answer, CreditDeclined):  # what it says of the balance decides nothing
        answer = answer.model_copy(update={"available": 0})
    now = books.holds.get(ID)
    return (now.state, now.captured, now.refunded) if now else None, answer
