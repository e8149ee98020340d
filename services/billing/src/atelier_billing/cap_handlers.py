"""Billing's handler of caps that operators set, one after the other, for they are rare."""

from typing import cast

from atelier_billing import cap_store
from atelier_contracts import CapSet, SetCap
from atelier_messaging import Transaction


async def handle_caps(tx: Transaction) -> None:
    """Queue ``billing.caps``. The same command again, under any message id, sets the same again."""
    connection = await tx.begin()
    for delivery in tx.fresh:
        command = cast(SetCap, delivery.message)
        cap = await cap_store.set_cap(connection, command)
        reply = CapSet(cap_id=command.cap_id, cap=cap.use() if cap else None)
        tx.emit(reply, cause=delivery, cc=[command.reply_to] if command.reply_to else ())
