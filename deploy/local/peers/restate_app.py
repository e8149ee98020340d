"""Restate: one service whose handler runs the three steps as journalled actions, each a commit in Postgres."""

import os
from typing import Any

import asyncpg
import restate
from ledger import statements

HOLD, FINISH, CAPTURE = statements(id="$1::uuid", account="$2::int")
CONNECTIONS = 16

generation = restate.Service("generation")
pools: list[asyncpg.Pool] = []


async def pool() -> asyncpg.Pool:
    """Opened by the first request: before it there is no event loop."""
    if not pools:
        pools.append(await asyncpg.create_pool(os.environ["PEERS_DATABASE_URL"], min_size=4, max_size=CONNECTIONS))
    return pools[0]


async def hold(id: str, account: int) -> None:
    await (await pool()).execute(HOLD, id, account)


async def finish(id: str) -> None:
    await (await pool()).execute(FINISH, id)


async def capture(id: str) -> None:
    await (await pool()).execute(CAPTURE, id)


@generation.handler()
async def run(context: restate.Context, request: dict[str, Any]) -> str:
    """Answers once the credit is captured."""
    await context.run_typed("hold", hold, id=request["id"], account=request["account"])
    await context.run_typed("finish", finish, id=request["id"])
    await context.run_typed("capture", capture, id=request["id"])
    return "captured"


app = restate.app([generation])
