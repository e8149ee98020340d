"""Giving credits: a command to billing, answered when billing has posted it."""

from atelier_contracts import CreditGranted, GrantCredit
from atelier_gateway.problems import Problem
from atelier_gateway.replies import Replies
from atelier_messaging import Bus


async def grant(bus: Bus, replies: Replies, command: GrantCredit, *, within_s: float) -> CreditGranted | None:
    """Sends the command through the outbox; answers what was granted, as billing has it on its books.

    None while billing has not answered: the grant is written down and will be posted. Raises Problem 503 when nothing
    was written, 422 when another grant was given under this id before: then nothing was given now.
    """
    if not bus.connected:
        raise Problem("unavailable", "The message broker cannot be reached; nothing was granted.")
    async with bus.work.once(dispatch=False) as work:
        envelope = work.emit(command)
    reply = await replies.ask(command.grant_id, bus.outbox.dispatch(envelope), within_s=within_s)
    if not isinstance(reply, CreditGranted):
        return None
    if not is_the_grant(reply, command):
        raise another_grant()
    return reply


def is_the_grant(given: CreditGranted, command: GrantCredit) -> bool:
    """Whether what stands on the books under this id is what the command asks for."""
    if (given.owner, given.credits) != (command.owner, command.credits):
        return False
    return not given.given_before or (given.priority, given.expires_at) == (command.priority, command.expires_at)


def another_grant() -> Problem:
    """422: a key is kept for a day, but a grant it named is on the books for good."""
    return Problem(
        "idempotency_key_reused",
        "This Idempotency-Key named another grant before (another owner, amount, priority or expiry); nothing was "
        "granted now.",
    )
