"""Correcting the books: a command to billing, answered when billing has posted it."""

from collections.abc import Awaitable, Callable

from atelier_contracts import BooksCorrected, ReturnCredit, TakeBackCredit
from atelier_gateway.peers import unconfirmed_store
from atelier_gateway.peers.reply_listener import ReplyListener
from atelier_gateway.web.problems import Problem
from atelier_messaging import Bus, Transaction

Correction = ReturnCredit | TakeBackCredit
REFUSALS = {
    "not_charged": "Nothing is charged for this generation (any more); nothing was returned.",
    "exceeds_charge": "Less than that is still charged for this generation; nothing was returned.",
}


async def correct(
    bus: Bus,
    replies: ReplyListener,
    command: Correction,
    record: Callable[[Transaction], Awaitable[None]],
    *,
    timeout_s: float,
) -> BooksCorrected | None:
    """Sends the command through the outbox and records who ordered it, in one commit; returns what billing posted.

    None while billing has not answered: the correction is recorded and will be posted. Raises Problem 503 when nothing
    was written, 409 when billing refused it, 422 when another correction was posted under this id before.
    """
    if not bus.is_connected:
        raise Problem("unavailable", "The message broker cannot be reached; nothing was corrected.")
    async with bus.unit.once(dispatch=False) as tx:
        await record(tx)
        envelope = tx.emit(await unconfirmed_store.insert(tx.connection, command))
    reply = await replies.publish_and_wait(command.correction_id, bus.outbox.dispatch(envelope), timeout_s=timeout_s)
    if not isinstance(reply, BooksCorrected):
        return None
    if reply.corrected_before and not _is_same(reply, command):
        raise Problem(
            "idempotency_key_reused",
            "This Idempotency-Key named another correction before (another owner, generation or amount); nothing was "
            "corrected now.",
        )
    if reply.refused is not None:
        raise Problem("conflict", REFUSALS[reply.refused])
    return reply


def _is_same(reply: BooksCorrected, command: Correction) -> bool:
    """Whether what is on the books under this id can be what is ordered now."""
    if reply.ordered is not None and reply.ordered != (command.credits or 0):
        return False
    if isinstance(command, ReturnCredit):
        # A correction from before billing kept what was ordered says only what it moved.
        is_unknown = reply.ordered is None and reply.refused is None
        is_same_amount = not is_unknown or command.credits in (None, reply.credits)
        return reply.generation_id == command.generation_id and is_same_amount
    is_same_owner = reply.owner in (None, command.owner)
    return reply.kind == "take_back" and is_same_owner and reply.grant_id == command.grant_id
