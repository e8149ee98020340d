"""Billing's internal HTTP API: balances, holds, and the verification of the books."""

from typing import Annotated, Any
from uuid import UUID

import asyncpg
from fastapi import APIRouter, HTTPException, Query
from pydantic import SecretStr

from atelier_billing import full_proof
from atelier_billing.ledger import TEST_CREDITS
from atelier_billing.verification import verify
from atelier_contracts.value_objects import is_test_id
from atelier_messaging.database import Pool
from atelier_telemetry.operations import NOTHING_THERE, require_token

_ACCOUNT = """
SELECT available, held, captured, -granted AS granted, expired FROM accounts WHERE owner_kind = $1 AND owner_id = $2
"""
_HOLD = """
SELECT h.*, a.owner_kind FROM holds h LEFT JOIN accounts a USING (owner_id) WHERE generation_id = $1
"""
_POSTINGS = """
SELECT posted_at AS at, kind, debit, credit, credits FROM postings WHERE generation_id = $1 ORDER BY id
"""
_ENTRIES = """
SELECT p.id, posted_at AS at, kind, debit, credit, credits, generation_id, grant_id
FROM postings p JOIN accounts a USING (owner_id)
WHERE a.owner_kind = $1 AND p.owner_id = $2 AND ($3::uuid IS NULL OR p.id < $3)
ORDER BY p.id DESC LIMIT $4
"""
# What is open is a small partial index; sorted here, so that no plan walks all ids to find the oldest.
_OPEN_HOLDS = """
WITH open AS MATERIALIZED (
    SELECT generation_id, owner_id, unit_credits * units AS credits, created_at FROM holds WHERE state = 'open' LIMIT $2
)
SELECT generation_id, a.owner_kind, owner_id, credits, created_at, count(*) OVER () AS number,
       sum(credits) OVER () AS total
FROM open LEFT JOIN accounts a USING (owner_id) WHERE created_at <= now() - make_interval(secs => $1)
ORDER BY created_at, generation_id LIMIT $3
"""
OPEN_HOLDS_MAX = 20_000
"""Open holds that are looked at: as many as an installation lets in by default."""
ENTRIES_MAX = 200
EntriesLimit = Annotated[int, Query(ge=1, le=ENTRIES_MAX)]
_NOTHING = {"available": 0, "held": 0, "captured": 0, "granted": 0, "expired": 0}


def internal_router(pool: Pool, token: SecretStr) -> APIRouter:
    """Routes under ``/internal``, for holders of the service token."""
    router = APIRouter(prefix="/internal", dependencies=require_token(token), include_in_schema=False)

    @router.get("/accounts/{kind}/{id}")
    async def account(kind: str, id: UUID) -> dict[str, int]:
        return await _balance(pool, kind, id)

    @router.get("/accounts/{kind}/{id}/entries")
    async def entries(kind: str, id: UUID, limit: EntriesLimit, before: UUID | None = None) -> dict[str, Any]:
        """The account's postings, newest first; ``before`` is the last one that was seen."""
        rows = await pool.fetch(_ENTRIES, kind, id, before, limit)
        return {"entries": [dict(row) for row in rows]}

    @router.get("/ledger/verify")
    async def ledger_verify() -> dict[str, Any]:
        async with pool.acquire() as connection:
            result = await verify(connection)
        return {
            "ok": result.ok,
            "accounts": result.accounts,
            "entries": result.entries,
            "violations": result.violations,
            "unproven": result.unproven,
            "full_proof": await full_proof.latest(pool),
        }

    @router.post("/ledger/proofs", status_code=202)
    async def start_proof() -> dict[str, Any]:
        """Starts a full proof; returns the one that is running where there is one."""
        return await full_proof.start(pool)

    @router.get("/ledger/proofs/{id}")
    async def proof(id: UUID) -> dict[str, Any]:
        found = await full_proof.find(pool, id)
        if found is None:
            raise HTTPException(404, "billing has no proof with this id")
        return found

    @router.get("/holds/{generation_id}")
    async def hold(generation_id: UUID) -> dict[str, Any]:
        row = await pool.fetchrow(_HOLD, generation_id)
        if row is None:
            raise HTTPException(404, "billing has no hold for this generation", NOTHING_THERE)
        postings = [dict(posting) for posting in await pool.fetch(_POSTINGS, generation_id)]
        returned = sum(posting["credits"] for posting in postings if posting["kind"] == "return")
        return {**_hold_json(row), "returned": returned, "postings": postings}

    _add_open_holds(router, pool)
    return router


def _add_open_holds(router: APIRouter, pool: Pool) -> None:
    @router.get("/open-holds")
    async def open_holds(older_than_s: Annotated[float, Query(ge=0)], limit: EntriesLimit) -> dict[str, Any]:
        """Open holds of at least this age, the oldest first, with how many there are and of how many credits."""
        rows = [dict(row) for row in await pool.fetch(_OPEN_HOLDS, older_than_s, OPEN_HOLDS_MAX, limit)]
        number, total = (rows[0]["number"], int(rows[0]["total"])) if rows else (0, 0)
        shown = [{name: row[name] for name in row if name not in ("number", "total")} for row in rows]
        return {"holds": shown, "number": number, "credits": total}


async def _balance(pool: Pool, kind: str, id: UUID) -> dict[str, int]:
    """An account without a row has nothing; a test account what its first request will find there."""
    row = await pool.fetchrow(_ACCOUNT, kind, id)
    if row is None and is_test_id(id):
        return _NOTHING | {"available": TEST_CREDITS, "granted": TEST_CREDITS}
    return dict(row) if row else dict(_NOTHING)


def _hold_json(row: asyncpg.Record) -> dict[str, Any]:
    columns = ("generation_id", "state", "captured", "refunded", "reused", "price_book", "unit_credits", "units")
    owner = {"kind": row["owner_kind"], "id": row["owner_id"]} if row["owner_id"] else None
    return {**{name: row[name] for name in columns}, "owner": owner, "credits": row["unit_credits"] * row["units"]}
