"""Caps: set by a command to billing, answered when billing has set it; read over its internal HTTP."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from pydantic import TypeAdapter

from atelier_contracts import CapSet, CapUse, Owner, SetCap
from atelier_gateway.peers import unconfirmed_store
from atelier_gateway.peers.client import PeerClient
from atelier_gateway.peers.reply_listener import ReplyListener
from atelier_gateway.web.problems import Problem
from atelier_messaging import Bus, Transaction

_CAPS = TypeAdapter(list[CapUse])


async def set_cap(
    bus: Bus,
    replies: ReplyListener,
    command: SetCap,
    record: Callable[[Transaction], Awaitable[None]],
    *,
    timeout_s: float,
) -> CapSet | None:
    """Sends the command through the outbox and records who ordered it, in one commit; returns billing's reply.

    None while billing has not answered: it is recorded and will be set. Raises Problem 503 when nothing was written.
    """
    if not bus.is_connected:
        raise Problem("unavailable", "The message broker cannot be reached; nothing was set.")
    async with bus.unit.once(dispatch=False) as tx:
        await record(tx)
        envelope = tx.emit(await unconfirmed_store.insert(tx.connection, command))
    reply = await replies.publish_and_wait(command.cap_id, bus.outbox.dispatch(envelope), timeout_s=timeout_s)
    return reply if isinstance(reply, CapSet) else None


async def list_caps(peers: PeerClient, owner: Owner, *, after: UUID | None, limit: int) -> list[CapUse]:
    """An account's caps in the order of their ids, those past ``after``. Raises PeerUnavailable."""
    past = f"&after={after}" if after else ""
    path = f"/internal/accounts/{owner.kind}/{owner.id}/caps?limit={limit}{past}"
    return _CAPS.validate_python((await peers.ask("GET", "billing", path))["caps"])
