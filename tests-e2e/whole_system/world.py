"""The running system in the hands of a test."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

import asyncpg

from atelier_local.api_client.api_models import TERMINAL, Balance, TryOn
from atelier_local.api_client.client import AdminClient, Client
from atelier_local.launcher.stack import Stack

IMAGES = ["https://example.com/person.jpg", "https://example.com/garment.jpg"]
"""Never fetched where the simulator renders."""
PATIENCE_S = 60.0

TABLES: Mapping[str, tuple[str, ...]] = {
    "gateway": ("generations", "idempotency", "outbox", "files", "story_generations", "form_requests"),
    "session": ("sagas",),
    "billing": ("holds", "postings"),
    "render": ("jobs", "artefacts"),
}
"""Where a generation leaves rows."""

Found = TypeVar("Found")


@dataclass
class World:
    """Everything a whole-system test touches."""

    stack: Stack
    url: str
    operations_url: str
    admin: AdminClient
    databases: Mapping[str, "asyncpg.Pool[Any]"]
    owners: dict[int, str] = field(default_factory=dict)

    @classmethod
    @asynccontextmanager
    async def of(cls, stack: Stack) -> AsyncIterator[Self]:
        """Opens the system that ``stack`` runs."""
        known = stack.environment()
        async with AsyncExitStack() as opened:
            admin = await opened.enter_async_context(
                AdminClient(known["ATELIER_OPERATIONS_URL"], known["ATELIER_ADMIN_TOKEN"])
            )
            databases = {}
            for service in ("gateway", "session", "billing", "render"):
                url = known[f"ATELIER_{service.upper()}_DATABASE_URL"]
                databases[service] = await opened.enter_async_context(asyncpg.create_pool(url, min_size=1, max_size=2))
            yield cls(stack, known["ATELIER_URL"], known["ATELIER_OPERATIONS_URL"], admin, databases)

    async def new_store(self, credits: int) -> Client:
        """A store with that many credits."""
        made = await self.admin.create_store("Test boutique")
        if credits:
            await self.admin.grant("store", made.id, credits, reason="test")
        client = Client(self.url, made.api_key)
        self.owners[id(client)] = made.id
        return client

    def id_of(self, client: Client) -> str:
        """The store's id."""
        return self.owners[id(client)]

    async def balance(self, client: Client) -> Balance:
        """The store's account."""
        return await self.admin.balance("store", self.id_of(client))

    async def ended(self, client: Client, id: str, *, within_s: float = PATIENCE_S) -> TryOn:
        """The try-on once it has reached its end."""

        async def look() -> TryOn | None:
            now = await client.read_try_on(id)
            return now if now.status in TERMINAL else None

        return await eventually(look, within_s=within_s)

    async def kill(self, part: str, sign: signal.Signals = signal.SIGKILL) -> None:
        """Kills a part's process and waits until its successor is ready."""
        before = self.stack.pid(part)
        self.stack.kill(part, sign)

        async def replaced() -> bool | None:
            return self.stack.pid(part) not in (before, None) or None

        await eventually(replaced)
        await asyncio.to_thread(self.stack.wait_ready, part)

    async def rows(self) -> dict[str, int]:
        """How many rows tell of a generation, an order or money, in every service."""
        return {
            f"{service}.{table}": await self.databases[service].fetchval(f"SELECT count(*) FROM {table}")
            for service, tables in TABLES.items()
            for table in tables
        }


async def eventually(look: Callable[[], Awaitable[Found | None]], *, within_s: float = PATIENCE_S) -> Found:
    """What ``look`` finds, as soon as it finds something. Raises TimeoutError, which names what was looked for."""
    try:
        async with asyncio.timeout(within_s):
            while (found := await look()) is None:  # noqa: ASYNC110 - what we wait for is in another process
                await asyncio.sleep(0.05)
            return found
    except TimeoutError:
        raise TimeoutError(f"{look.__qualname__} found nothing within {within_s:g} s") from None
