"""SQL of idempotency keys: who claimed one, what was answered, and how a withdrawn request leaves no trace."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from atelier_gateway.idempotency.keys import KEPT_H, IdempotencyClaim, StoredClaim, StoredResponse
from atelier_messaging import Transaction
from atelier_messaging.database import Connection, Pool

# In key order, so that two gateways that claim the same keys wait for each other instead of locking each other out.
_CLAIM = """
INSERT INTO idempotency AS i (owner_kind, owner_id, route, key, fingerprint, holder)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::bytea[], $6::uuid[])
ORDER BY 1, 2, 3, 4
ON CONFLICT DO NOTHING RETURNING holder
"""
_FIND = """
SELECT fingerprint, holder, reply_status, reply_body, now() - claimed_at AS age
FROM idempotency WHERE owner_kind = $1 AND owner_id = $2 AND route = $3 AND key = $4
"""
_TAKE_OVER = """
UPDATE idempotency SET holder = $5, claimed_at = now()
WHERE owner_kind = $1 AND owner_id = $2 AND route = $3 AND key = $4 AND holder = $6 AND reply_status IS NULL
RETURNING holder
"""
_REPLY = """
UPDATE idempotency i SET reply_status = n.status, reply_body = n.body
FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::smallint[], $7::bytea[])
     AS n(owner_kind, owner_id, route, key, holder, status, body)
WHERE (i.owner_kind, i.owner_id, i.route, i.key) = (n.owner_kind, n.owner_id, n.route, n.key) AND i.holder = n.holder
RETURNING i.holder
"""
_RELEASE = "DELETE FROM idempotency WHERE owner_kind = $1 AND owner_id = $2 AND route = $3 AND key = $4 AND holder = $5"
_PRUNE = """
DELETE FROM idempotency WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM idempotency WHERE claimed_at < now() - make_interval(hours => $1)
    ORDER BY claimed_at LIMIT $2 FOR UPDATE SKIP LOCKED
)) RETURNING 1
"""
PRUNE_ROWS = 2_000


async def insert_claims(connection: Connection, claims: Sequence[IdempotencyClaim]) -> set[UUID]:
    """Claims in one statement; answers the holders that got their key. The others find it taken."""
    if not claims:
        return set()
    rows = await connection.fetch(_CLAIM, *_keys(claims), [c.fingerprint for c in claims], [c.holder for c in claims])
    return {row["holder"] for row in rows}


def write_claims(tx: Transaction, claims: Sequence[IdempotencyClaim]) -> None:
    """Adds the claims to what the transaction writes; it fails with WriteConflict where one of the keys is taken."""
    if claims:
        holders = [c.holder for c in claims]
        tx.write("claims", _CLAIM, *_keys(claims), [c.fingerprint for c in claims], holders, rows=len(claims))


async def find(pool: Pool, wanted: IdempotencyClaim) -> StoredClaim | None:
    """Who holds the key now, and what was answered."""
    row = await pool.fetchrow(_FIND, wanted.owner_kind, wanted.owner_id, wanted.route, wanted.key)
    return _to_claim(row) if row else None


async def take_over(pool: Pool, claimed: IdempotencyClaim, *, dead: UUID) -> bool:
    """Takes the key from a holder that died without a reply; False if another request was quicker."""
    where = (claimed.owner_kind, claimed.owner_id, claimed.route, claimed.key)
    return await pool.fetchval(_TAKE_OVER, *where, claimed.holder, dead) is not None


async def release(connection: Connection | Pool, claimed: IdempotencyClaim) -> None:
    """Gives the key back: the request had no effect."""
    where = (claimed.owner_kind, claimed.owner_id, claimed.route, claimed.key)
    await connection.execute(_RELEASE, *where, claimed.holder)


def save_responses(
    tx: Transaction, responses: Sequence[tuple[IdempotencyClaim, StoredResponse]], *, must_hold: bool = False
) -> None:
    """Adds the responses of many requests to what the transaction writes, for the next requests with their keys. A key
    that another request has taken over keeps its own; with ``must_hold`` the transaction then fails with
    WriteConflict."""
    if responses:
        claims = [claim for claim, _ in responses]
        values = [c.holder for c in claims], [reply.status for _, reply in responses], [r.body for _, r in responses]
        tx.write("responses", _REPLY, *_keys(claims), *values, rows=len(claims) if must_hold else None)


async def prune(pool: Pool) -> None:
    """Forgets the keys of yesterday, so many at a time."""
    while len(await pool.fetch(_PRUNE, KEPT_H, PRUNE_ROWS)) == PRUNE_ROWS:
        pass


def _keys(claims: Sequence[IdempotencyClaim]) -> tuple[list[str], list[UUID], list[str], list[str]]:
    return (
        [c.owner_kind for c in claims],
        [c.owner_id for c in claims],
        [c.route for c in claims],
        [c.key for c in claims],
    )


def _to_claim(row: asyncpg.Record) -> StoredClaim:
    reply = None if row["reply_status"] is None else StoredResponse(row["reply_status"], row["reply_body"])
    return StoredClaim(row["fingerprint"], row["holder"], reply, row["age"])
