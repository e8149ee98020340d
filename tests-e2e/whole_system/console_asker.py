"""How an operator's question is put: each prepares the running system by its APIs, then answers at the console as a
person does. No address is typed that is not on a page."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx
from uuid_utils.compat import uuid7

from whole_system.console_page import ConsolePage
from whole_system.console_scene import new_operator
from whole_system.waits import eventually
from whole_system.world import World

Open = Callable[[str], AbstractAsyncContextManager[ConsolePage]]
"""Opens the console for an operator of this role."""
Question = Callable[[World, Open], Awaitable[None]]
SLOW = "outcome=succeed, delay_ms=100000"
QUESTIONS: dict[str, Question] = {}
"""By their words."""


def question(words: str) -> Callable[[Question], Question]:
    """Registers a question."""

    def register(ask: Question) -> Question:
        QUESTIONS[words] = ask
        return ask

    return register


@asynccontextmanager
async def insert_submission(
    world: World, generation: str, *, exposure_micros: int = 0, request_id: str | None = None
) -> AsyncIterator[None]:
    """As if a provider with a price had made it: this installation has none."""
    insert = """
    INSERT INTO submissions (id, generation_id, attempt, provider, key, state, outcome, ended_at, exposure_micros,
                             currency, cost_version, usage)
    VALUES ($1, $2, 1, 'openai', 'key', 'ended', 'unknown', now(), $3, 'USD', 'test', $4::text::jsonb)
    """
    has_job = "SELECT true FROM jobs WHERE generation_id = $1"
    await eventually(lambda: world.databases["render"].fetchval(has_job, UUID(generation)))
    usage = f'{{"calls": 1, "request_ids": ["{request_id}"]}}' if request_id else None
    id_ = uuid7()
    await world.databases["render"].execute(insert, id_, UUID(generation), exposure_micros, usage)
    try:
        yield
    finally:
        await world.databases["render"].execute("DELETE FROM submissions WHERE id = $1", id_)


async def ask(world: World, method: str, path: str, body: object = None) -> dict[str, Any]:
    """What the admin API answers the first operator."""
    known = world.stack.environment()
    headers = {"Authorization": f"Bearer {known['ATELIER_ADMIN_TOKEN']}"}
    async with httpx.AsyncClient(base_url=world.operations_url, headers=headers, timeout=30) as http:
        answer = await http.request(method, path, json=body)
        assert answer.is_success, answer.text
        return dict(answer.json()) if answer.content else {}


async def act_as_ben(world: World, method: str, path: str, reason: str, body: object = None) -> None:
    """An act of another operator."""
    ben = await new_operator(world, "Ben", "operator")
    headers = {"Authorization": f"Bearer {ben}", "X-Operator-Reason": quote(reason)}
    async with httpx.AsyncClient(base_url=world.operations_url, headers=headers, timeout=30) as http:
        answer = await http.request(method, path, json=body)
        assert answer.is_success, answer.text
