"""What tests of the console share: a store that orders, an operator at the console, dead letters."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aio_pika
import httpx
from playwright.async_api import Browser

from atelier_contracts import Envelope
from atelier_contracts.routes import SESSION_SAGA
from atelier_local.api_client.operations_client import OperationsClient
from atelier_messaging.senders import OPERATOR, SENDER_HEADER, Senders
from atelier_messaging.topology import DEAD_EXCHANGE
from whole_system.console_page import ConsolePage
from whole_system.looks import Scheme, accessibility_faults, overflow_px
from whole_system.world import World

AT_A_DESK_AND_ON_A_PHONE: tuple[tuple[int, Scheme], ...] = ((1440, "light"), (390, "dark"))
INTERACTIONS_MAX = 8
ANSWER_S_MAX = 60.0
"""How long an operator may need for an answer, from the sign-in on."""


@dataclass
class Shop:
    """A store that orders pictures."""

    world: World
    id: str
    key: str

    @classmethod
    async def of(cls, world: World, credits: int = 20) -> "Shop":
        made = await world.admin.create_store("Night boutique")
        if credits:
            await world.admin.grant("store", made.id, credits, reason="test")
        return cls(world, made.id, made.api_key)

    async def order(self, simulate: str = "picture=none", prompt: str = "a lake", **fields: object) -> str:
        """The id of a generation."""
        body = {"kind": "image", "prompt": prompt, "size": "256x256", **fields}
        headers = {"X-API-Key": self.key, "X-Atelier-Simulate": simulate}
        async with httpx.AsyncClient(base_url=self.world.url, headers=headers, timeout=60) as http:
            made = await http.post("/v1/generations", json=body)
            assert made.status_code == 201, made.text
            return str(made.json()["id"])

    async def cancel(self, id_: str) -> None:
        """Ends one that would go on for long."""
        async with httpx.AsyncClient(base_url=self.world.url, headers={"X-API-Key": self.key}, timeout=60) as http:
            assert (await http.post(f"/v1/generations/{id_}/cancel")).is_success


@asynccontextmanager
async def at_the_console(
    chromium: Browser, world: World, width: int, scheme: Scheme, role: str = "operator", **options: object
) -> AsyncIterator[ConsolePage]:
    """An operator of this role. Their last page complains of nothing, is not wider than its window, and has no
    serious fault that axe finds."""
    token = await new_operator(world, "Ana", role)
    async with ConsolePage.open(
        chromium, world.operations_url, token, width=width, scheme=scheme, **options
    ) as console:
        async with asyncio.timeout(ANSWER_S_MAX):
            yield console
        assert (await overflow_px(console.page), console.complaints) == (0, [])
        if options.get("java_script_enabled", True):
            assert await accessibility_faults(console.page) == []
        assert console.interactions <= INTERACTIONS_MAX


async def new_operator(world: World, name: str, role: str) -> str:
    """The token of a new operator."""
    known = world.stack.environment()
    async with OperationsClient(known["ATELIER_OPERATIONS_URL"], known["ATELIER_ADMIN_TOKEN"]) as admin:
        return str((await admin.create_operator(name, role))["token"])


async def bury(world: World, envelopes: list[Envelope]) -> None:
    """Lays messages among the session's dead letters, as its consumer does, their sender with them."""
    url = world.stack.environment()["ATELIER_AMQP_URL"]
    senders = Senders.from_addresses(OPERATOR, url)
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel(publisher_confirms=True)
        dead = await channel.get_exchange(DEAD_EXCHANGE, ensure=False)
        for envelope in envelopes:
            headers = {"x-atelier-reason": "a defect that is mended", SENDER_HEADER: senders.user_of("render")}
            message = aio_pika.Message(
                envelope.body.encode(),
                headers={**envelope.headers, **headers},
                message_id=str(envelope.id),
                user_id=senders.own,
            )
            await dead.publish(message, SESSION_SAGA)
