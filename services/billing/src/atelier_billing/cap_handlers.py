"""Billing's handler of caps that operators set, one after the other, for they are rare."""

from typing import cast

from atelier_billing import cap_store
from atelier_contracts import CapSet, SetCap
from atelier_messaging import Transaction


async def handle_caps(tx: Transaction) -> None:
    """Queue ``billing.caps``. The same command again, under any message id, sets the same again; one that was ordered
    before another that was carried out changes nothing, and is answered with the cap as it is."""
    connection = await tx.begin()
    for delivery in tx.fresh:
        command = cast(SetCap, delivery.message)
        latest = await cap_store.lock_latest_order(connection, command)
        if latest == command.ordered_at:
            cap = await cap_store.set_cap(connection, command)
        else:
            cap = await cap_store.find(connection, command.cap_id)
        reply = CapSet(cap_id=command.cap_id, cap=cap.use() if cap else None, ordered_at=latest)
        tx.emit(reply, cause=delivery, cc=[command.reply_to] if command.reply_to else ())
