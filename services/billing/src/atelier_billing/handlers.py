"""Billing's command handlers and the expiry of grants: load, decide, save, emit."""

from collections.abc import Callable
from functools import partial
from typing import cast

from atelier_billing import book_writes, cap_store, caps, ledger, store
from atelier_billing.books import Books
from atelier_billing.labels import labels_of
from atelier_billing.ledger import MoneyCommand, MoneyEvent
from atelier_billing.proof import receipt_queue
from atelier_billing.proof.ends import ends_of, settled_of
from atelier_billing.quotes import Quote
from atelier_contracts import CapUse, CreditDeclined, GrantCredit, ReserveCredit
from atelier_messaging import Transaction, UnitOfWork
from atelier_messaging.database import Connection
from atelier_telemetry import metrics

EXPIRE_OWNERS_MAX = 200


ReadQuote = Callable[[str], Quote | None]
"""The quote that billing has signed; None for anything else."""


def _read_none(_: str) -> None:
    """Without keys no quote is ours."""


async def handle_commands(tx: Transaction, read_quote: ReadQuote = _read_none) -> None:
    """Queue ``billing.commands``: every command of the batch on one set of locked books."""
    commands = [cast(MoneyCommand, delivery.message) for delivery in tx.fresh]
    connection = await tx.begin()
    books = await store.lock_books(connection, commands)
    quoted = [command for command in commands if isinstance(command, ReserveCredit) and command.quote]
    books.quotes = {command.generation_id: read_quote(command.quote or "") for command in quoted}
    settled = settled_of(books.holds)
    events = [ledger.apply(books, command) for command in commands]
    events = await _tell_what_is_held(connection, books, events)
    declined = [event.generation_id for event in events if isinstance(event, CreditDeclined)]
    await store.confirm_declines(connection, books, declined)
    book_writes.save_books(tx, books, labels_of(commands))
    receipt_queue.add(tx, ends_of(settled, zip(commands, events, strict=True)))
    for delivery, command, event in zip(tx.fresh, commands, events, strict=True):
        reply_to = command.reply_to if isinstance(command, GrantCredit) else None
        tx.emit(event, cause=delivery, cc=[reply_to] if reply_to else ())
    emit_announcements(tx, books)
    # A batch may be undone and run again; it counts once.
    tx.after_commit(partial(_measure, books, events))


async def _tell_what_is_held(connection: Connection, books: Books, events: list[MoneyEvent]) -> list[MoneyEvent]:
    """The events, and what is announced, with what was held before this batch under the caps that they tell of."""
    refusing = [event.cap for event in events if isinstance(event, CreditDeclined) and event.cap]
    told = [*refusing, *(reached.cap for reached in books.reached)]
    if not told:
        return events
    held = await cap_store.count_held(connection, told)

    def whole(cap: CapUse) -> dict[str, CapUse]:
        return {"cap": caps.with_held_before(cap, held[cap.id])}

    books.reached = [reached.model_copy(update=whole(reached.cap)) for reached in books.reached]
    return [
        event.model_copy(update=whole(event.cap)) if isinstance(event, CreditDeclined) and event.cap else event
        for event in events
    ]


async def expire_grants(unit: UnitOfWork) -> None:
    """Expires what is left of due grants, for owners without commands of their own."""
    async with unit.once() as tx:
        books = await store.lock_due_books(tx.connection, owners_max=EXPIRE_OWNERS_MAX)
        for wallet in books.wallets.values():
            ledger.expire_due(books, wallet)
        book_writes.save_books(tx, books)
        emit_announcements(tx, books)
        tx.after_commit(partial(_measure, books, []))


def emit_announcements(tx: Transaction, books: Books) -> None:
    """Announces what test accounts were filled up with, what has expired, and which caps are reached."""
    for message in (*books.refills, *books.expiries, *books.reached):
        tx.emit(message)


def _measure(books: Books, events: list[MoneyEvent]) -> None:
    for posting in books.postings:
        metrics.child(metrics.CREDITS_MOVED, posting.kind).inc(posting.credits)
    for event in events:
        if isinstance(event, CreditDeclined):
            metrics.DECLINED.labels(event.reason).inc()
