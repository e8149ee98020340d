"""``python -m atelier_local.bench.event_counter ADDRESS QUEUE``: a subscriber that counts, in a process of its own.

Plain aio-pika, one acknowledgement for many messages. It prints a line of JSON every half second: how many events came
in all, when the last one did (seconds of the monotonic clock), and how long after they had happened those of this half
second came, in milliseconds.
"""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

PREFETCH = 1_000
ACKNOWLEDGE_EVERY = 250
REPORT_EVERY_S = 0.5


class Counter:
    """What has come."""

    def __init__(self) -> None:
        self.events = 0
        self._last_at = 0.0
        self._ages_ms: list[float] = []
        self._unacknowledged: AbstractIncomingMessage | None = None

    async def handle(self, message: AbstractIncomingMessage) -> None:
        """One message."""
        self.events += 1
        self._last_at = time.monotonic()
        happened = datetime.fromisoformat(str(message.headers["cloudEvents:time"]))
        self._ages_ms.append((datetime.now(UTC) - happened).total_seconds() * 1_000)
        self._unacknowledged = message
        if self.events % ACKNOWLEDGE_EVERY == 0:
            await self.acknowledge()

    async def acknowledge(self) -> None:
        """All messages so far."""
        message, self._unacknowledged = self._unacknowledged, None
        if message is not None:
            await message.ack(multiple=True)

    def report(self) -> str:
        """Since the last report."""
        ages, self._ages_ms = self._ages_ms, []
        age = statistics.median(ages) if ages else None
        return json.dumps({"events": self.events, "last_at": self._last_at, "age_ms": age, "news": len(ages)})


async def count(address: str, queue: str) -> None:
    """Counts until it is stopped."""
    counter = Counter()
    async with await aio_pika.connect(address) as connection:
        channel = await connection.channel()
        await channel.set_qos(PREFETCH)
        await (await channel.get_queue(queue, ensure=False)).consume(counter.handle)
        while True:
            await asyncio.sleep(REPORT_EVERY_S)
            await counter.acknowledge()
            sys.stdout.write(counter.report() + "\n")
            sys.stdout.flush()


def main(arguments: Sequence[str]) -> None:
    """Command line."""
    asyncio.run(count(*arguments))


if __name__ == "__main__":
    main(sys.argv[1:])
