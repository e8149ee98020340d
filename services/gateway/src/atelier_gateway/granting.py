"""Giving credits: a command to billing, answered when billing has posted it."""

from atelier_contracts import CreditGranted, GrantCredit
from atelier_gateway.problems import Problem
from atelier_gateway.replies import Replies
from atelier_messaging import Bus


async def grant(bus: Bus, replies: Replies, command: GrantCredit, *, within_s: float) -> int | None:
    """Sends the command through the outbox; answers the owner's balance afterwards.

    None while billing has not answered: the grant is written down and will be posted. Raises Problem 503 when nothing
    was written.
    """
    if not bus.connected:
        raise Problem("unavailable", "The message broker cannot be reached; nothing was granted.")
    async with bus.work.once(dispatch=False) as work:
        envelope = work.emit(command)
    reply = await replies.ask(command.grant_id, bus.outbox.dispatch(envelope), within_s=within_s)
    return reply.available if isinstance(reply, CreditGranted) else None
