"""Billing's handler of corrections: load, decide, save, emit, one after the other, for they are rare."""

from functools import partial
from typing import cast

from atelier_billing import correction_store, corrections
from atelier_billing.books import Books
from atelier_billing.corrections import Correction
from atelier_billing.handlers import emit_announcements
from atelier_billing.proof import receipt_queue
from atelier_contracts import BooksCorrected, CreditReturned, ReturnCredit
from atelier_messaging import Delivery, Transaction
from atelier_messaging.database import Connection
from atelier_telemetry import metrics


async def handle_corrections(tx: Transaction) -> None:
    """Queue ``billing.corrections``. The same correction again, under any message id, gets the reply of the first, and
    says again what has gone back: either may have been lost."""
    connection = await tx.begin()
    for delivery in tx.fresh:
        await _correct(tx, connection, delivery)
        await tx.flush()  # the next one must see its postings


async def _correct(tx: Transaction, connection: Connection, delivery: Delivery) -> None:
    command = cast(Correction, delivery.message)
    books = await correction_store.lock(connection, command)
    # After the lock: another process may have carried it out while this one waited.
    done = await correction_store.find_known(connection, command.correction_id)
    if done is None:
        done, event = await _decide(connection, books, command)
        correction_store.save(tx, books, command, done)
        if event is not None:
            receipt_queue.add(tx, {event.generation_id: None})
            tx.emit(event, cause=delivery)
        emit_announcements(tx, books)
        tx.after_commit(partial(_measure, books))
    elif isinstance(command, ReturnCredit) and done.generation_id is not None and done.credits:
        charge = await correction_store.find_charge(connection, books, done.generation_id)
        if charge is not None:
            tx.emit(corrections.repeat_return(command, done, charge), cause=delivery)
    tx.emit(done, cause=delivery, cc=[command.reply_to] if command.reply_to else ())


async def _decide(
    connection: Connection, books: Books, command: Correction
) -> tuple[BooksCorrected, CreditReturned | None]:
    if isinstance(command, ReturnCredit):
        charge = await correction_store.find_charge(connection, books, command.generation_id)
        return corrections.return_credit(books, command, charge)
    return corrections.take_back(books, command), None


def _measure(books: Books) -> None:
    for posting in books.postings:
        metrics.CREDITS_MOVED.labels(posting.kind).inc(posting.credits)
