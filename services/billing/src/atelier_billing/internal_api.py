"""Billing's internal HTTP API: balances, holds, and the verification of the books."""

from typing import Annotated, Any
from uuid import UUID

import asyncpg
from fastapi import APIRouter, HTTPException, Query
from pydantic import SecretStr

from atelier_billing import full_proof
from atelier_billing.verification import verify
from atelier_messaging.database import Pool
from atelier_telemetry.operations import require_token

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
ENTRIES_MAX = 200
EntriesLimit = Annotated[int, Query(ge=1, le=ENTRIES_MAX)]
_NOTHING = {"available": 0, "held": 0, "captured": 0, "granted": 0, "expired": 0}


def internal_router(pool: Pool, token: SecretStr) -> APIRouter:
    """Routes under ``/internal``, for holders of the service token."""
    router = APIRouter(prefix="/internal", dependencies=require_token(token), include_in_schema=False)

    @router.get("/accounts/{kind}/{id}")
    async def account(kind: str, id: UUID) -> dict[str, int]:
        row = await pool.fetchrow(_ACCOUNT, kind, id)
        return dict(row) if row else dict(_NOTHING)

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
            raise HTTPException(404, "billing has no hold for this generation")
        postings = [dict(posting) for posting in await pool.fetch(_POSTINGS, generation_id)]
        returned = sum(posting["credits"] for posting in postings if posting["kind"] == "return")
        return {**_hold_json(row), "returned": returned, "postings": postings}

    return router


def _hold_json(row: asyncpg.Record) -> dict[str, Any]:
    columns = ("generation_id", "state", "captured", "refunded", "reused", "price_book", "unit_credits", "units")
    owner = {"kind": row["owner_kind"], "id": row["owner_id"]} if row["owner_id"] else None
    return {**{name: row[name] for name in columns}, "owner": owner, "credits": row["unit_credits"] * row["units"]}
