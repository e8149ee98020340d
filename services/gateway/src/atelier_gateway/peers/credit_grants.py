"""Giving credits: a command to billing, answered when billing has posted it."""

from collections.abc import Awaitable, Callable
from typing import Any

from atelier_contracts import CreditGranted, GrantCredit
from atelier_gateway.identity import operator_acts
from atelier_gateway.peers import unconfirmed_store
from atelier_gateway.peers.reply_listener import ReplyListener
from atelier_gateway.web.problems import Problem
from atelier_messaging import Bus, Transaction


async def grant(
    bus: Bus,
    replies: ReplyListener,
    command: GrantCredit,
    record: Callable[[Transaction], Awaitable[None]],
    *,
    timeout_s: float,
) -> CreditGranted | None:
    """Sends the command through the outbox and writes down who ordered it, in one commit; answers what was granted, as
    billing has it on its books.

    None while billing has not answered: the grant is written down and will be posted. Raises Problem 503 when nothing
    was written, 422 when another grant was given under this id before: then nothing is given now.
    """
    if not bus.is_connected:
        raise Problem("unavailable", "The message broker cannot be reached; nothing was granted.")
    async with bus.unit.once(dispatch=False) as work:
        ordered = await operator_acts.find_grant(work.connection, command.grant_id)
        if ordered is None:
            await record(work)
        elif not _was_ordered(ordered, command):
            raise _another_grant()
        envelope = work.emit(await unconfirmed_store.insert(work.connection, command))
    reply = await replies.publish_and_wait(command.grant_id, bus.outbox.dispatch(envelope), timeout_s=timeout_s)
    if not isinstance(reply, CreditGranted):
        return None
    if not _is_given(reply, command):
        raise _another_grant()
    return reply


def _was_ordered(ordered: tuple[str, Any, dict[str, Any]], command: GrantCredit) -> bool:
    """Whether the operator's earlier order under this id equals this one."""
    kind, id_, details = ordered
    wanted = command.model_dump(mode="json", include={"credits", "priority", "expires_at"})
    return (kind, id_) == (command.owner.kind, command.owner.id) and wanted.items() <= details.items()


def _is_given(given: CreditGranted, command: GrantCredit) -> bool:
    """Whether the grant in the ledger under this id equals this one."""
    if (given.owner, given.credits) != (command.owner, command.credits):
        return False
    return not given.given_before or (given.priority, given.expires_at) == (command.priority, command.expires_at)


def _another_grant() -> Problem:
    """422: a key is kept for a day, but a grant it named is on the books for good."""
    return Problem(
        "idempotency_key_reused",
        "This Idempotency-Key named another grant before (another owner, amount, priority or expiry); nothing was "
        "granted now.",
    )
