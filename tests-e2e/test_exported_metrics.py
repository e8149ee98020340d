"""After ordinary traffic every metric of the alerts and dashboards is exported, or its first event has not been."""

import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from atelier_local.api_client.client import Client
from whole_system.waits import becomes
from whole_system.world import IMAGES, World

SCRIPT = Path(__file__).parents[1] / "deploy/checks/exported_metrics.py"
ORDINARY = {
    "atelier_admission_seconds", "atelier_batch_seconds", "atelier_credits_moved_total", "atelier_generation_seconds",
    "atelier_generations_ended_total", "atelier_messages_consumed_total", "atelier_part_ready", "atelier_render_jobs",
    "atelier_render_seconds", "atelier_renders_total", "atelier_requests_total", "atelier_saga_transitions_total",
}  # fmt: skip
"""What one generation that succeeds brings samples of."""


async def test_every_metric_that_is_used_is_exported_after_ordinary_traffic(
    world: World, store: Callable[[int], Awaitable[Client]]
) -> None:
    client = await store(5)
    made = await client.try_on(IMAGES, simulate="outcome=succeed, delay_ms=100")
    await world.wait_until_ended(client, made.session_id)
    printed = ""

    async def without_sample() -> set[str]:
        nonlocal printed
        command = [sys.executable, str(SCRIPT), "--profile", world.stack.name]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)  # noqa: ASYNC221 - seconds
        printed = done.stdout
        assert done.returncode == 0, done.stdout + done.stderr
        return ORDINARY & set(re.findall(r"^(\w+)  no sample yet", printed, re.MULTILINE))

    await becomes(set(), without_sample)
    assert "nothing that is known" not in printed
