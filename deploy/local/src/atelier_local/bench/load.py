"""The load: whole generations through the gateway, from the POST to the event that says captured and succeeded."""

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import aio_pika
import aiohttp
from aio_pika.abc import AbstractIncomingMessage

from atelier_contracts.bundle import unpack
from atelier_local.errors import StackError

NULL_RENDER = {"X-Atelier-Simulate": "outcome=succeed, delay_ms=0, picture=none"}
BODY = {"image_urls": ["https://example.com/person.jpg", "https://example.com/garment.jpg"]}
GENERATION_S_MAX = 60.0


@dataclass(slots=True)
class LoadResult:
    """What one run of ``in_flight`` at a time gave. Times in seconds."""

    in_flight: int
    took_s: float = 0.0
    admissions_s: list[float] = field(default_factory=list)
    journeys_s: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Whole generations a second."""
        return len(self.journeys_s) / self.took_s

    @property
    def admission_ms(self) -> float:
        """Median milliseconds from the POST to its 201."""
        return statistics.median(self.admissions_s) * 1_000

    @property
    def journey_ms(self) -> float:
        """Median milliseconds from the POST to captured and succeeded."""
        return statistics.median(self.journeys_s) * 1_000


class OutcomeListener:
    """Receives the outcome of every generation, on a queue of its own."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[str]] = {}
        self._early: dict[str, str] = {}

    async def subscribe(self, connection: aio_pika.abc.AbstractConnection) -> None:
        """Starts to hear."""
        channel = await connection.channel()
        exchange = await channel.get_exchange("atelier")
        queue = await channel.declare_queue(exclusive=True)
        for name in ("succeeded", "failed", "rejected"):
            await queue.bind(exchange, f"session.generation_{name}.v1")
        await queue.consume(self._on_message, no_ack=True)

    async def _on_message(self, message: AbstractIncomingMessage) -> None:
        for letter in unpack(message.body, message.headers, content_type=message.content_type, message_id=""):
            id_, name = str(letter.headers["cloudEvents:subject"]), str(letter.headers["cloudEvents:type"])
            if (future := self._waiting.pop(id_, None)) is not None:
                future.set_result(name)
            else:
                self._early[id_] = name

    async def of(self, id_: str) -> str:
        """The name of the event that ended this generation."""
        if id_ in self._early:
            return self._early.pop(id_)
        self._waiting[id_] = asyncio.get_running_loop().create_future()
        return await asyncio.wait_for(self._waiting[id_], GENERATION_S_MAX)


async def run(
    urls: Sequence[str], keys: Sequence[str], outcomes: OutcomeListener, *, in_flight: int, generations: int
) -> LoadResult:
    """``generations`` whole generations, ``in_flight`` at a time, over the accounts of ``keys`` in turn, and for each
    account over the gateways of ``urls`` in turn."""
    measured = LoadResult(in_flight)
    numbers = iter(range(generations))

    async def worker(session: aiohttp.ClientSession) -> None:
        for number in numbers:
            headers = {"Authorization": f"Bearer {keys[number % len(keys)]}", **NULL_RENDER}
            url = urls[(number // len(keys) + number) % len(urls)]
            started = time.perf_counter()
            async with session.post(f"{url}/api/v1/generation/create", json=BODY, headers=headers) as reply:
                answer = await reply.json()
                if reply.status != 201:
                    raise StackError(f"the gateway answered {reply.status}: {answer}")
            measured.admissions_s.append(time.perf_counter() - started)
            ended = await outcomes.of(answer["data"]["session_id"])
            if ended != "session.generation_succeeded.v1":
                raise StackError(f"generation {answer['data']['session_id']} ended with {ended}")
            measured.journeys_s.append(time.perf_counter() - started)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=in_flight)) as session:
        started = time.perf_counter()
        await asyncio.gather(*(worker(session) for _ in range(in_flight)))
        measured.took_s = time.perf_counter() - started
    return measured
