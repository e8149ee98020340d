"""A render process dies while a team's worker is at work: the next process recalls by the same key and submits none."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from atelier_contracts import RequestRender

from .support.http_team import REFERENCE, run_team

pytestmark = pytest.mark.stack
Ask = Callable[..., RequestRender]


async def test_a_worker_makes_a_job_once_although_render_was_killed(world: Any, ask: Ask) -> None:
    with run_team(world.images) as team:
        normalise, begun = threading.Event(), threading.Event()

        def make(job: dict[str, Any]) -> dict[str, Any]:
            begun.set()
            normalise.wait(30)
            made: dict[str, Any] = REFERENCE.make(job)
            return made

        team.make = make
        request = ask(simulate=None, kind="image", prompt="p", size="64x64", provider="ours")
        first, second = team.connect(), team.connect()
        dying = world.process(lease_s=60.0, preferred=(first,))
        await dying.handle(request)
        dying.start()
        assert await asyncio.to_thread(begun.wait, 10)

        await dying.kill()
        await world.pool.execute("UPDATE jobs SET lease_until = now() - interval '1 s'")
        world.process(lease_s=60.0, preferred=(second,)).start()
        normalise.set()
        row = await world.until(request.generation_id, "done", "failed")

        assert (row["state"], row["provider"], row["attempt"]) == ("done", "ours", 2)
        assert (team.count("POST"), len(team.asked)) == (1, 1)
        assert {key for _, key in team.seen} == {f"{request.generation_id}-ours"}
        await first.close()
        await second.close()
