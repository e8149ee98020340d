"""One credit is changed by a superuser, anywhere: the proof of the books or the verification of the log finds it.

``ATELIER_EXPLORE_EXAMPLES`` sets how many changes are tried. The checkpoint is a file and the key is the process's: the
database has neither.
"""

import os
import random
import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple
from uuid import UUID, uuid4

import asyncpg
import pytest

from atelier_billing.correction_handlers import handle_corrections
from atelier_billing.full_proof import prove
from atelier_billing.proof import receipt_packing
from atelier_billing.proof.checkpoints import open_checkpoint
from atelier_billing.proof.log_verification import verify_log
from atelier_contracts import ReturnCredit, TakeBackCredit, wrap
from atelier_messaging import Delivery
from atelier_messaging.database import Connection

from .receipts import ORIGIN, capture, handle, owner_with, refund, reserve
from .test_log import Log, open_log

pytestmark = pytest.mark.stack
EXAMPLES = int(os.environ.get("ATELIER_EXPLORE_EXAMPLES", "60"))


class Place(NamedTuple):
    """Where credits stand: a table, its key, what one more credit there is, and rows that have some."""

    table: str
    key: str
    change: str
    rows: str = "true"


CAPTURED = re.compile(r'("captured":)(\d+)')
PLACES = (
    Place("postings", "id", "credits = credits + $2"),
    Place("corrections", "id", "credits = credits + $2", "credits > 0"),
    Place("grants", "id", "remaining = remaining + $2"),
    Place("grants", "id", "credits = credits + $2"),
    Place("holds", "generation_id", "captured = captured + $2, refunded = refunded - $2", "state = 'captured'"),
    Place(
        "holds",
        "generation_id",
        "unit_credits = unit_credits + $2, captured = captured + $2 * units",
        "state = 'captured'",
    ),
    Place("accounts", "owner_id", "available = available + $2, captured = captured - $2"),
    Place("accounts", "owner_id", "available = available + $2, granted = granted - $2"),
    Place("receipts", "id", "a charge that it names"),
)


@pytest.fixture
async def log(postgres: str, tmp_path: Path) -> AsyncIterator[Log]:
    """Books with everything in them, entered and signed."""
    async with open_log(postgres, tmp_path) as opened:
        owner = await owner_with(opened.unit, 500)
        ids = [uuid4() for _ in range(8)]
        await handle(opened.unit, *(reserve(owner, id_, n=2) for id_ in ids))
        ends = [capture(owner, id_, 1 + at % 2) if at % 4 else refund(owner, id_) for at, id_ in enumerate(ids)]
        await handle(opened.unit, *ends)
        back = ReturnCredit(correction_id=uuid4(), generation_id=ids[1], credits=2, reason="broken")
        taken = TakeBackCredit(correction_id=uuid4(), owner=owner, credits=7, reason="granted twice")
        deliveries = [Delivery(wrap(command, source="test")) for command in (back, taken)]
        async with opened.unit.once("billing.corrections", deliveries, dispatch=False) as tx:
            await handle_corrections(tx)
        await opened.sequencer.run_once()
        yield opened


async def find_violations(log: Log) -> list[str]:
    outside = open_checkpoint(log.file.read_text(), ORIGIN, log.keys.public)
    async with log.unit.pool.acquire() as connection:
        books = await prove(connection)
        return books.violations + (await verify_log(connection, log.keys.public, outside)).violations


@pytest.mark.timeout(1_800)
async def test_a_single_credit_changed_in_any_table_is_found(log: Log) -> None:
    chance, tried = random.Random(20261130), Counter[str]()
    assert await find_violations(log) == []
    missed = []
    async with log.superuser.acquire() as connection:
        await connection.execute("SET session_replication_role = replica")
        for _ in range(EXAMPLES):
            place = chance.choice(PLACES)
            undo = await change_one_credit(connection, chance, place)
            tried[f"{place.table}: {place.change}"] += 1
            if not await find_violations(log):
                missed.append(place)
            await undo_change(connection, place, *undo)
        await connection.execute("RESET session_replication_role")

    assert missed == [] and tried.total() == EXAMPLES
    assert len(tried) > len(PLACES) / 2 and await find_violations(log) == []


async def change_one_credit(connection: Connection, chance: random.Random, place: Place) -> tuple[UUID, int, object]:
    """One credit more or less in one row, whatever its CHECKs let pass: the row's key, the change, and its receipt."""
    keys = await connection.fetch(f"SELECT {place.key} FROM {place.table} WHERE {place.rows} ORDER BY 1")
    for _ in range(100):
        key, by = chance.choice(keys)[0], chance.choice((-1, 1))
        if place.table == "receipts":
            return key, by, await _change_receipt(connection, key, by)
        try:
            await connection.execute(_update(place), key, by)
        except asyncpg.CheckViolationError:
            continue
        return key, by, None
    raise AssertionError(f"the CHECKs of {place.table} let no change pass: {place.change}")


async def undo_change(connection: Connection, place: Place, key: UUID, by: int, body: object) -> None:
    if place.table == "receipts":
        await connection.execute("UPDATE receipts SET packed = $2, body = NULL WHERE id = $1", key, body)
    else:
        await connection.execute(_update(place), key, -by)


def _update(place: Place) -> str:
    change = place.change.replace("$2", "$2::int")
    return f"UPDATE {place.table} SET {change} WHERE {place.key} = $1"


async def _change_receipt(connection: Connection, key: UUID, by: int) -> object:
    """Stores it with another charge; what was stored before."""
    packed = await connection.fetchval("SELECT packed FROM receipts WHERE id = $1", key)
    body = CAPTURED.sub(
        lambda found: f"{found[1]}{int(found[2]) + by}", receipt_packing.unpack(packed).decode(), count=1
    )
    await connection.execute("UPDATE receipts SET body = $2, packed = NULL WHERE id = $1", key, body)
    return packed
