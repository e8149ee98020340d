"""The log's word on a run: verified against the books and its checkpoint, and receipts by the script for strangers."""

import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx

from atelier_billing.proof.internal_api import signed_json
from atelier_billing.proof.receipt_store import SignedReceipt, receipt_of_row
from atelier_local.api_client.operations_client import OperationsClient
from whole_system.world import World

SCRIPT = Path(__file__).parents[2] / "docs/verify/verify_receipt.py"
RECEIPTS_MAX = 500
ENTERED_S_MAX = 30.0
VERIFIED_S_MAX = 120.0
_WAITING = "SELECT (SELECT count(*) FROM unissued_receipts) + (SELECT count(*) FROM unlogged_entries)"
_SAMPLE = "SELECT id, generation_id, number, body, packed, key_id, signature FROM receipts ORDER BY random() LIMIT $1"
_WITHOUT = """
SELECT generation_id FROM holds h WHERE state <> 'open' AND owner_id IS NOT NULL
AND NOT EXISTS (SELECT FROM receipts r WHERE r.generation_id = h.generation_id)
"""


async def verify_log(world: World) -> tuple[str, str, list[str]]:
    """All that is on the books stands in the log, which continues its checkpoint; each settled hold has a receipt; a
    sample of receipts is genuine to who has the published keys and nothing else."""
    billing, known = world.databases["billing"], world.stack.environment()
    lines = await _wait_until_entered(world)
    async with OperationsClient(known["ATELIER_OPERATIONS_URL"], known["ATELIER_ADMIN_TOKEN"]) as admin:
        log = await admin.verify_log(None)
    lines += log["violations"]
    if log["compared_size"] is None:
        lines.append("the log was compared with no checkpoint")
    lines += [
        f"generation {row['generation_id']} is settled without a receipt" for row in await billing.fetch(_WITHOUT)
    ]
    receipts = [receipt_of_row(row) for row in await billing.fetch(_SAMPLE, RECEIPTS_MAX)]
    lines += await _verify_receipts(world, receipts)
    return "log and receipts", f"{log['size']} entries recomputed, {len(receipts)} receipts verified offline", lines


async def _wait_until_entered(world: World) -> list[str]:
    waiting = 0
    for _ in range(int(ENTERED_S_MAX)):
        waiting = await world.databases["billing"].fetchval(_WAITING)
        if not waiting:
            return []
        await asyncio.sleep(1)
    return [f"{waiting} receipts or entries are not in the log {ENTERED_S_MAX:g} s after the end"]


async def _verify_receipts(world: World, receipts: list[SignedReceipt]) -> list[str]:
    async with httpx.AsyncClient(base_url=world.url, trust_env=False, timeout=30) as stranger:
        keys = (await stranger.get("/.well-known/jwks.json")).text
    said = (
        await asyncio.to_thread(run_script, keys, [json.dumps(signed_json(each)) for each in receipts])
    ).splitlines()
    if said[-1:] == [f"{len(receipts)} of {len(receipts)} receipts are genuine"]:
        return []
    return [line for line in said if "NOT GENUINE" in line] or said[-3:]


def run_script(keys: str, receipts: list[str]) -> str:
    """What the script for strangers says of these receipts, each as JSON, with these keys."""
    with tempfile.TemporaryDirectory(prefix="atelier-receipts-") as folder:
        Path(folder, "jwks.json").write_text(keys)
        Path(folder, "receipts.jsonl").write_text("".join(f"{receipt}\n" for receipt in receipts))
        command = [sys.executable, "-I", str(SCRIPT), "--keys", "jwks.json", "receipts.jsonl"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=VERIFIED_S_MAX)
    return done.stdout + done.stderr
