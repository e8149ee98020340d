"""SQL of requests that came to nothing: what they left in several tables is removed in one transaction."""

from collections.abc import Collection
from uuid import UUID

from atelier_gateway.idempotency import store as idempotency_store
from atelier_gateway.idempotency.keys import IdempotencyClaim
from atelier_gateway.projection import store as projection_store
from atelier_gateway.webhooks import delivery_store
from atelier_messaging.database import Connection

_DELETE_MESSAGE = "DELETE FROM outbox WHERE id = $1"


async def delete_generations(connection: Connection, ids: Collection[UUID]) -> None:
    """Removes generations that were declined or withdrawn, with their webhook deliveries."""
    if ids:
        await projection_store.delete(connection, ids)
        await delivery_store.delete_for_generations(connection, ids)


async def erase_request(
    connection: Connection, generation_id: UUID, message_id: UUID, claim: IdempotencyClaim | None
) -> None:
    """Removes every trace of a withdrawn request: its generation, its message, its key."""
    await delete_generations(connection, [generation_id])
    await connection.execute(_DELETE_MESSAGE, message_id)
    if claim is not None:
        await idempotency_store.release(connection, claim)
