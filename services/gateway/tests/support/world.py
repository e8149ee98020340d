"""What a test holds in its hands: the gateway's HTTP, its tables, its neighbours, and the links between them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
from asyncpg import DeadlockDetectedError

from atelier_gateway.container import Container
from atelier_gateway.listeners import Listeners
from atelier_gateway.middleware.failed_logins import FailedLogins
from atelier_messaging.database import Pool

from .link import Link
from .neighbours import Neighbours

ADMIN_TOKEN = "the admin token of the tests"
FAILED_LOGINS_PER_MINUTE = 30
ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
TRY_ON = {"image_urls": ["https://cdn.shop-pictures.net/me.png", "https://cdn.shop-pictures.net/coat.png"]}
CREATE = "/api/v1/generation/create"
TABLES = (
    "outbox, inbox, generation_events, generations, idempotency, workspace_members, workspaces, users, "
    "client_token_generations, client_tokens, api_keys, stores"
)
TABLES = f"disputed_outputs, disputes, generation_deletions, {TABLES}"
TABLES = f"unconfirmed_messages, batch_files, batch_rows, batches, {TABLES}"
TABLES = f"rerenders, refusals, doomed_uploads, story_requests, unclaimed_results, {TABLES}"
TABLES = (
    f"uploads, files, rate_windows, form_requests, webhook_deliveries, webhook_endpoints, webhook_secrets, {TABLES}"
)
WAIT_S_MAX = 60.0
OUTBOX_S_MAX = 2.0
"""How long a confirmed message may take to leave the outbox; what is left then was not confirmed."""
OPERATORS_PATHS = ("/v1/admin/", "/metrics", "/health/ready")

Headers = Mapping[str, str]


class ByPath(httpx.AsyncBaseTransport):
    """Both doors of a gateway: what only operators reach goes through theirs."""

    def __init__(self, app: Listeners) -> None:
        self._public, self._operations = httpx.ASGITransport(app.public), httpx.ASGITransport(app.operations)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One request."""
        is_operators = request.url.path.startswith(OPERATORS_PATHS)
        return await (self._operations if is_operators else self._public).handle_async_request(request)


@dataclass
class World:
    """The gateway and its surroundings."""

    client: httpx.AsyncClient
    """Through whichever door the path is behind."""
    public: httpx.AsyncClient
    operations: httpx.AsyncClient
    pool: Pool
    neighbours: Neighbours
    to_broker: Link
    to_database: Link
    container: Container
    listeners: Listeners

    async def store(self, name: str = "Acme") -> tuple[UUID, dict[str, str]]:
        """A new store: its id, and the headers that act for it."""
        made = await self.client.post("/v1/admin/stores", headers=ADMIN, json={"name": name})
        return UUID(made.json()["id"]), {"X-API-Key": made.json()["api_key"]}

    async def user(self) -> tuple[UUID, dict[str, str]]:
        """A new user: their id, and the headers that act for them."""
        made = await self.client.post("/v1/admin/users", headers=ADMIN, json={"email": f"{uuid4().hex}@shop.net"})
        token = await self.client.post(f"/v1/admin/users/{made.json()['id']}/tokens", headers=ADMIN)
        return UUID(made.json()["id"]), {"Authorization": f"Bearer {token.json()['token']}"}

    async def create(self, headers: Headers, key: str | None = None, **changes: Any) -> httpx.Response:
        """POSTs a try-on to the B2B surface."""
        keyed = {"Idempotency-Key": key} if key else {}
        return await self.client.post(CREATE, headers={**headers, **keyed}, json={**TRY_ON, **changes})

    async def load_paths(self) -> dict[str, Any]:
        """The paths of both listeners' descriptions."""
        paths: dict[str, Any] = {}
        for door in (self.public, self.operations):
            paths |= (await door.get("/openapi.json")).json()["paths"]
        return paths

    async def rows(self) -> dict[str, int]:
        """How much there is of what a create writes. A message that is confirmed leaves the outbox a moment later."""
        with suppress(TimeoutError):
            async with asyncio.timeout(OUTBOX_S_MAX):
                while await self.pool.fetchval("SELECT EXISTS (SELECT FROM outbox)"):  # noqa: ASYNC110 - a table
                    await asyncio.sleep(0.05)
        tables = ("generations", "idempotency", "outbox")
        return {name: await self.pool.fetchval(f"SELECT count(*) FROM {name}") for name in tables}

    async def renew(self) -> None:
        """As if freshly installed."""
        await self.mend()
        await self.until(self._delete_all)
        # What an earlier test published last may not have arrived yet, and would be taken for this test's.
        await self.container.bus.outbox.drain()
        await self.neighbours.drain()
        self.neighbours.reset()
        for listener in (self.listeners.public, self.listeners.operations):
            _forget_failed_logins(listener.middleware_stack)
        # Once more: tests that are not asynchronous send no heartbeats, and the loop has only now read what came of it.
        await self.until(self._ready)

    async def mend(self) -> None:
        """All links whole, and the gateway connected again."""
        for link in (self.to_broker, self.to_database):
            link.mend()
            link.thaw()
        await self.until(self._ready)

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """Waits for it; fails after ``WAIT_S_MAX`` seconds."""
        try:
            async with asyncio.timeout(WAIT_S_MAX):
                while not await holds():  # noqa: ASYNC110 - it is looked for in tables and on the wire
                    await asyncio.sleep(0.02)
        except TimeoutError:
            name = getattr(holds, "__qualname__", repr(holds))
            raise TimeoutError(f"{name} did not hold within {WAIT_S_MAX:g} s") from None

    async def until_all_are(self, state: str) -> None:
        """Waits until every generation is in this state, and there is one."""

        async def are_all() -> bool:
            return bool(await self.pool.fetchval("SELECT bool_and(state = $1) FROM generations", state))

        await self.until(are_all)

    async def _delete_all(self) -> bool:
        """Whether it could: the gateway may still be at work, and locks the same rows in another order."""
        try:
            await self.pool.execute(f"DELETE FROM {'; DELETE FROM '.join(TABLES.split(', '))}")
        except DeadlockDetectedError:
            return False
        return True

    async def _ready(self) -> bool:
        parts = (await self.client.get("/health/ready")).json()["parts"]
        return bool(parts["broker"] == parts["database"] == "ok")


def _forget_failed_logins(layer: object) -> None:
    """Addresses that an earlier test had refused are let in again."""
    while layer is not None:
        if isinstance(layer, FailedLogins):
            layer._refused.clear()
        layer = getattr(layer, "app", None) or getattr(layer, "_app", None)
