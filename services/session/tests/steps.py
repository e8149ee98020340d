"""Steps of tests on real Postgres: hand messages to the saga, read its state, withdraw a request."""

from collections.abc import Sequence
from uuid import UUID

from atelier_contracts import (
    Message,
    wrap,
)
from atelier_messaging import Delivery, UnitOfWork, is_outage
from atelier_messaging.writes import WriteConflict
from atelier_session import store
from atelier_session.handlers import Handlers


async def handle(unit: UnitOfWork, handlers: Handlers, messages: Sequence[Message]) -> list[str]:
    """One batch, as the consumer handles it; answers the names of what was sent."""
    deliveries = [Delivery(wrap(message, source="test")) for message in messages]
    try:
        return await _handle_once(unit, handlers, deliveries, late_claim=True)
    except Exception as error:
        if is_outage(error) and not isinstance(error, WriteConflict):
            raise
    return await _handle_once(unit, handlers, deliveries, late_claim=False)


async def _handle_once(
    unit: UnitOfWork, handlers: Handlers, deliveries: Sequence[Delivery], *, late_claim: bool
) -> list[str]:
    async with unit.once("session.saga", deliveries, dispatch=False, late_claim=late_claim) as tx:
        await handlers.handle_saga(tx)
    return [envelope.message.name for envelope in tx.emitted]


async def state(unit: UnitOfWork, generation: UUID) -> str | None:
    found: str | None = await unit.pool.fetchval("SELECT state FROM sagas WHERE generation_id = $1", generation)
    return found


async def withdraw(unit: UnitOfWork, generation: UUID) -> str:
    async with unit.once() as tx:
        return await store.withdraw(tx.connection, generation)
