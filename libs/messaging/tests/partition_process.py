"""A process that consumes the session's queue in partitions, as the session does: it writes down what it handles."""

import asyncio
import sys

from pydantic import SecretStr

from atelier_contracts import CancelRequested
from atelier_contracts.routes import SESSION_SAGA
from atelier_messaging import BrokerSettings, Bus, Transaction, database

PAUSE_S = 0.002
"""So that a process is killed in the middle of its batches."""


async def main(amqp_url: str, database_url: str, partitions: int, name: str) -> None:
    """Runs until it is killed."""

    async def handle(tx: Transaction) -> None:
        connection = await tx.begin()
        for delivery in tx.fresh:
            message = delivery.message
            assert isinstance(message, CancelRequested)
            sql = "INSERT INTO handled (process, key, number) VALUES ($1, $2, $3)"
            await connection.execute(sql, name, message.generation_id, int(message.reason or 0))
            await asyncio.sleep(PAUSE_S)

    pool = await database.connect(database_url)
    settings = BrokerSettings(amqp_url=SecretStr(amqp_url), partitions=partitions, prefetch=50, batch_max=20)
    bus = Bus("session", settings, pool)
    bus.consume(SESSION_SAGA, handle, late_claim=True)
    await bus.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]))
