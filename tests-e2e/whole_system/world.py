"""The running system in the hands of a test."""

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Self

import asyncpg

from atelier_local.api_client.api_models import TERMINAL, Balance, TryOn
from atelier_local.api_client.client import AdminClient, Client
from atelier_local.launcher.stack import Stack
from atelier_session import saga
from whole_system.waits import PATIENCE_S, NotYet, eventually

IMAGES = ["https://example.com/person.jpg", "https://example.com/garment.jpg"]
"""Never fetched where the simulator renders."""

TABLES: Mapping[str, tuple[str, ...]] = {
    "gateway": ("generations", "idempotency", "outbox", "files", "story_generations", "form_requests"),
    "session": ("sagas",),
    "billing": ("holds", "postings"),
    "render": ("jobs", "artefacts"),
}
"""Where a generation leaves rows."""
OUTBOX_S_MAX = 3.0
"""How long a confirmed message may take to leave the outbox."""


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

    async def wait_until_ended(self, client: Client, id: str, *, within_s: float = PATIENCE_S) -> TryOn:
        """The try-on once it has reached its end."""

        async def find_end() -> TryOn | NotYet:
            now = await client.read_try_on(id)
            return now if now.status in TERMINAL else NotYet(now.status)

        return await eventually(find_end, within_s=within_s)

    async def kill(self, part: str, sign: signal.Signals = signal.SIGKILL) -> None:
        """Kills a part's process and waits until its successor is ready."""
        before = self.stack.pid(part)
        self.stack.kill(part, sign)

        async def is_replaced() -> bool | None:
            return self.stack.pid(part) not in (before, None) or None

        await eventually(is_replaced)
        await asyncio.to_thread(self.stack.wait_ready, part)

    async def count_moving_sagas(self) -> int:
        """Sagas that go on by themselves. One that waits for its customer to take the result does not: how long that
        takes is the customer's to say, and other tests leave such behind."""
        query = "SELECT count(*) FROM sagas WHERE NOT state = ANY($1) AND state <> 'delivering'"
        return int(await self.databases["session"].fetchval(query, sorted(saga.TERMINAL)))

    async def _is_outbox_empty(self) -> bool | None:
        return not await self.databases["gateway"].fetchval("SELECT EXISTS (SELECT FROM outbox)") or None

    async def rows(self) -> dict[str, int]:
        """How many rows of generations, requests and money there are, in every service. A message that is confirmed
        leaves the outbox a moment later."""
        with suppress(TimeoutError):
            await eventually(self._is_outbox_empty, within_s=OUTBOX_S_MAX)
        return {
            f"{service}.{table}": await self.databases[service].fetchval(f"SELECT count(*) FROM {table}")
            for service, tables in TABLES.items()
            for table in tables
        }
