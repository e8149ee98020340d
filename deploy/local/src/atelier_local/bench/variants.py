"""What this build runs with or without, beside itself: caps over every account, and receipts with their log."""

import asyncpg

from atelier_local.api_client.client import AdminClient
from atelier_local.bench.builds import Build

CAP_CREDITS = 1_000_000_000
"""More than a run spends: what is measured is the counting, not a refusal."""
PERIODS = ("day", "month", "total")
_SKIP = """
CREATE FUNCTION skip_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER skipped BEFORE INSERT ON unissued_receipts FOR EACH ROW EXECUTE FUNCTION skip_row();
CREATE TRIGGER skipped BEFORE INSERT ON unlogged_entries FOR EACH ROW EXECUTE FUNCTION skip_row();
"""


async def turn_receipts_off(build: Build) -> None:
    """From now on nothing is queued for a receipt or for the log, so neither is written. The product has no such
    switch: the stack is good for nothing but this measurement."""
    connection = await asyncpg.connect(build.database_url("billing"))
    try:
        await connection.execute(_SKIP)
    finally:
        await connection.close()


async def set_caps(admin: AdminClient) -> None:
    """Six caps over each store that there is: of the store and of its key, a day, a month and in total."""
    for store in (await admin.ask("list stores", "GET", "/v1/admin/stores?limit=100"))["data"]:
        (key,) = (await admin.ask("list keys", "GET", f"/v1/admin/stores/{store['id']}/keys"))["data"]
        for spender in (f"store/{store['id']}", f"key/{key['id']}"):
            for period in PERIODS:
                path = f"/v1/admin/caps/store/{store['id']}/{spender}/{period}"
                await admin.ask("set a cap", "PUT", path, {"credits": CAP_CREDITS})
