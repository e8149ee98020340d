"""A store with credits, the stock OpenAI client that acts for it, and its books."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import openai
from openai import AsyncOpenAI

from whole_system.world import World


async def open_store(world: World, credits: int) -> tuple[str, str]:
    """A store's id and key."""
    made = await world.admin.create_store("Test boutique")
    if credits:
        await world.admin.grant("store", made.id, credits, reason="test")
    return made.id, made.api_key


@asynccontextmanager
async def open_shop(world: World, credits: int) -> AsyncIterator[tuple[str, AsyncOpenAI]]:
    """A store's id, and the client as it comes but for its address; without retries, so that a refusal is seen."""
    owner, key = await open_store(world, credits)
    http = openai.DefaultAsyncHttpxClient(trust_env=False)
    async with AsyncOpenAI(base_url=f"{world.url}/v1", api_key=key, max_retries=0, http_client=http) as client:
        yield owner, client


async def read_books(world: World, owner: str) -> tuple[int, int, int]:
    """(available, held, captured) credits of a store."""
    balance = await world.admin.balance("store", owner)
    return balance.available, balance.held, balance.captured
