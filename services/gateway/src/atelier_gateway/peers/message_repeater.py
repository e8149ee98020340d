"""Sends again what is not known to have had its effect: what the broker held may be gone.

Billing carries a grant or a correction out once under its id, and of a cap the latest order, and answers each repeat
again; a cancel or a deletion that was carried out changes nothing, nor does a request whose saga has begun. So nothing
that was answered with 201 or 202 is forgotten.
"""

import logging

from atelier_gateway.peers import unconfirmed_store
from atelier_messaging import Bus

logger = logging.getLogger(__name__)


class MessageRepeater:
    """Repeats what is open."""

    def __init__(self, bus: Bus, *, after_s: float) -> None:
        """``after_s``: how long a message may take to have its effect; doubled each time."""
        self._bus = bus
        self._after_s = after_s

    async def repeat(self) -> None:
        """Sends again what is due. While the broker is away it waits in the outbox anyway."""
        unit = self._bus.unit
        if not self._bus.is_connected or not await unconfirmed_store.is_any_due(unit.pool, after_s=self._after_s):
            return
        async with unit.once() as tx:
            for message in await unconfirmed_store.take_due(tx.connection, after_s=self._after_s):
                tx.emit(message)
                logger.warning("%s of %s had no effect yet, it is sent again", message.name, message.subject)
