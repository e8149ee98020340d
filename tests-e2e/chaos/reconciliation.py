"""Reconciliation's word on a run: it ran under all the faults, so whatever it ever reported about the run is either a
defect or a false alarm."""

import asyncio
import time
from collections.abc import Collection
from typing import Any

from atelier_local.api_client.operations_client import RECONCILE, OperationsClient
from whole_system.world import World

SETTINGS = {
    "ATELIER_RECONCILE_EVERY_S": "5",
    "ATELIER_RECONCILE_SETTLE_S": "3",
    "ATELIER_RECONCILE_FULL_EVERY_S": "120",
}
"""Often, so that it looks at generations at work, and at the object store while objects come and go."""
REST_S_MAX = 60.0
FINDINGS_MAX = 1_000


async def reconcile(world: World, ids: Collection[str], *, resolved: bool = True) -> tuple[str, str, list[str]]:
    """Its last comparison and every finding it ever reported about these generations or about the ledger; without
    ``resolved`` those that are open still."""
    known = world.stack.environment()
    async with OperationsClient(known["ATELIER_OPERATIONS_URL"], known["ATELIER_ADMIN_TOKEN"]) as admin:
        run = await _compare_at_rest(admin)
        full = await admin.reconcile("full", lambda _: None)
        found = await admin.list_rows("findings", f"{RECONCILE}/findings", FINDINGS_MAX, resolved=str(resolved).lower())
    told = [row for row in found if row["subject"] in ids or row["kind"] == "ledger_violation"]
    lines = [f"{row['subject']} {row['kind']}: {row['details']} (open: {row['resolved_at'] is None})" for row in told]
    if run["in_flight"]:
        lines.append(f"{run['in_flight']} generations are in flight although nothing moves")
    return (
        "records agree",
        f"{run['checked']} generations and {full['objects']} objects at rest, and by the schedule under the faults",
        lines,
    )


async def _compare_at_rest(admin: OperationsClient) -> dict[str, Any]:
    """A run that finds no generation in flight, or the last one before the patience is over."""
    until = time.monotonic() + REST_S_MAX
    while True:
        run = await admin.reconcile("recent", lambda _: None)
        if not run["in_flight"] or time.monotonic() >= until:
            return run
        await asyncio.sleep(1)
