"""Runs requests with scripted providers, and reads what was logged of their submissions."""

from collections.abc import Callable
from typing import Any

from atelier_contracts import RequestRender
from atelier_render.providers.protocol import (
    RateLimited,
    Succeeded,
)

from .provider_script import OK, Scripted

Ask = Callable[..., RequestRender]
PATIENT_S = 60.0
"""No lease runs out unless a test says so."""
PICTURE: dict[str, Any] = {"simulate": None, "kind": "image", "prompt": "p", "size": "256x256"}
BUSY = RateLimited(0.0)
BROKEN = Succeeded((OK.pictures[0].__class__(b"not a picture", "image/png", 1, 1),), 1)


async def run_to_end(world: Any, request: RequestRender, *providers: Scripted) -> Any:
    """The job's row, once a process with these providers has ended it. The process has died then: it could take
    the next job from the providers of another."""
    process = world.process(lease_s=PATIENT_S, preferred=providers)
    await process.handle(request)
    process.start()
    row = await world.until(request.generation_id, "done", "failed", "cancelled")
    await process.kill()
    return row


async def kill_and_expire_leases(world: Any, dying: Any) -> None:
    """The process dies as by SIGKILL, and its leases have run out."""
    await dying.kill()
    await world.pool.execute("UPDATE jobs SET lease_until = now() - interval '1 s' WHERE lease_owner = $1", dying.owner)


async def fetch_submissions(world: Any, request: RequestRender) -> list[tuple[object, ...]]:
    """What was written of the submissions: attempt, provider, state and outcome."""
    sql = """SELECT attempt, provider, state, outcome FROM submissions WHERE generation_id = $1 ORDER BY sent_at, id"""
    return [tuple(row) for row in await world.pool.fetch(sql, request.generation_id)]
