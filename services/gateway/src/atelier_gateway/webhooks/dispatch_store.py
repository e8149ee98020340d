"""SQL of the dispatcher: leases due deliveries and records the outcome of each try."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from atelier_contracts import Owner
from atelier_gateway.webhooks.endpoint_store import secret_ids
from atelier_gateway.webhooks.signing import SecretIds
from atelier_messaging.database import Connection, Pool

# Target after target along the index, so that thousands that one receiver does not take stand in nobody's way; of each
# target, and of each owner, no more than have room beside what this process is sending them ($2, $3 name those). The
# first try of an event waits for the first tries of what was told of the same generation before it, so that events come
# in order where nothing fails (asked row by row: as a join it would read all there is). Rows that others are claiming
# are passed over.
_CLAIM = """
WITH RECURSIVE targets AS (
    (SELECT target FROM webhook_deliveries WHERE state = 'pending' ORDER BY target LIMIT 1)
    UNION ALL
    SELECT (SELECT d.target FROM webhook_deliveries d WHERE d.state = 'pending' AND d.target > t.target
            ORDER BY d.target LIMIT 1)
    FROM targets t WHERE t.target IS NOT NULL
), sending AS (
    SELECT target, owner_id FROM unnest($2::text[], $3::uuid[]) AS s(target, owner_id)
), due AS (
    SELECT d.id, d.next_try_at, d.owner_id, row_number() OVER (PARTITION BY d.owner_id ORDER BY d.next_try_at) AS place
    FROM targets t CROSS JOIN LATERAL (
        SELECT p.id, p.next_try_at, p.owner_id FROM webhook_deliveries p
        WHERE p.state = 'pending' AND p.target = t.target AND p.next_try_at <= now()
          AND (p.leased_until IS NULL OR p.leased_until < now())
          AND (
              SELECT e.id FROM webhook_deliveries e
              WHERE e.generation_id = p.generation_id AND e.target = p.target AND e.state = 'pending' AND e.tries = 0
                AND e.id < p.id
              LIMIT 1
          ) IS NULL
        ORDER BY p.next_try_at, p.id
        LIMIT greatest(0, $4 - (SELECT count(*) FROM sending s WHERE s.target = t.target))
        FOR UPDATE OF p SKIP LOCKED
    ) d
), chosen AS (
    SELECT id FROM due
    WHERE place <= $5 - (SELECT count(*) FROM sending s WHERE s.owner_id = due.owner_id)
    ORDER BY next_try_at LIMIT $6
), claimed AS (
    UPDATE webhook_deliveries SET claim = $1, leased_until = now() + make_interval(secs => $7)
    WHERE id IN (SELECT id FROM chosen)
    RETURNING *
)
SELECT c.id, c.owner_kind, c.owner_id, c.endpoint_id, c.target, c.type, c.generation_id, c.payload, c.traceparent,
       c.tries, c.created_at, coalesce(c.url, e.url) AS url, coalesce(e.secret_id, s.secret_id) AS secret_id,
       CASE WHEN e.id IS NULL THEN s.previous_secret_id ELSE e.previous_secret_id END AS previous_secret_id,
       CASE WHEN e.id IS NULL THEN s.previous_until ELSE e.previous_until END AS previous_until
FROM claimed c LEFT JOIN webhook_endpoints e ON e.id = c.endpoint_id
     LEFT JOIN webhook_secrets s ON c.endpoint_id IS NULL AND s.owner_kind = c.owner_kind AND s.owner_id = c.owner_id
"""
# Only whoever has claimed it last: one that was given up for dead must not undo what its successor has written.
_MARK = """
UPDATE webhook_deliveries
SET state = $3, tries = tries + 1, claim = NULL, leased_until = NULL,
    next_try_at = CASE WHEN $3 = 'pending' THEN now() + make_interval(secs => $4) ELSE next_try_at END
WHERE id = $1 AND claim = $2 AND state = 'pending' RETURNING endpoint_id
"""
_LOCK = "SELECT true FROM webhook_deliveries WHERE id = $1 FOR UPDATE"
_NOTE = """
INSERT INTO webhook_attempts (delivery_id, number, at, duration_ms, status, error, response)
SELECT $1, coalesce(max(number), 0) + 1, $2, $3, $4, $5, $6 FROM webhook_attempts WHERE delivery_id = $1
"""
_SUCCEEDED = "UPDATE webhook_endpoints SET failing_since = NULL WHERE id = $1 AND failing_since IS NOT NULL"
_FAILED = """
UPDATE webhook_endpoints
SET failing_since = coalesce(failing_since, now()),
    disabled_at = CASE WHEN $2 OR failing_since < now() - make_interval(days => $3) THEN now() END,
    disabled_reason = CASE WHEN $2 THEN 'gone' WHEN failing_since < now() - make_interval(days => $3) THEN 'failing' END
WHERE id = $1 AND disabled_at IS NULL RETURNING disabled_at IS NOT NULL
"""
_STOP = """
UPDATE webhook_deliveries SET state = 'failed', claim = NULL, leased_until = NULL
WHERE endpoint_id = $1 AND state = 'pending'
"""


@dataclass(frozen=True, slots=True)
class LeasedDelivery:
    """A delivery that this process has claimed; ``tries`` those that came before."""

    id: UUID
    lease_id: UUID
    owner: Owner
    endpoint_id: UUID | None
    url: str
    target: str
    type: str
    generation_id: UUID | None
    payload: dict[str, Any]
    traceparent: str | None
    tries: int
    created_at: datetime
    secret_ids: SecretIds


@dataclass(frozen=True, slots=True)
class DispatchLimits:
    """How many may be sent at once: to one target, of one owner, in all that is left."""

    per_target: int
    per_owner: int
    room: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """A try as it is written down: a status with the beginning of the answer, or an error."""

    at: datetime
    duration_ms: int
    status: int | None = None
    error: str | None = None
    response: str | None = None


async def lease_deliveries(
    pool: Pool, lease_id: UUID, sending: Sequence[LeasedDelivery], bounds: DispatchLimits, lease_s: float
) -> list[LeasedDelivery]:
    """Leases due deliveries with room beside those this process is ``sending``; no other sends them for ``lease_s``."""
    rows = await pool.fetch(
        _CLAIM,
        lease_id,
        [delivery.target for delivery in sending],
        [delivery.owner.id for delivery in sending],
        bounds.per_target,
        bounds.per_owner,
        bounds.room,
        lease_s,
    )
    return [
        LeasedDelivery(
            row["id"],
            lease_id,
            Owner(kind=row["owner_kind"], id=row["owner_id"]),
            row["endpoint_id"],
            row["url"],
            row["target"],
            row["type"],
            row["generation_id"],
            row["payload"],
            row["traceparent"],
            row["tries"],
            row["created_at"],
            secret_ids(row),
        )
        for row in rows
    ]


async def record_attempt(
    connection: Connection, due: LeasedDelivery, state: str, attempt: Attempt, *, wait_s: float = 0.0
) -> bool:
    """Records the outcome of a try; False where the delivery is gone, stopped, or leased by another process by now."""
    if not await connection.fetchval(_LOCK, due.id):
        return False
    await connection.execute(
        _NOTE, due.id, attempt.at, attempt.duration_ms, attempt.status, attempt.error, attempt.response
    )
    return await connection.fetchrow(_MARK, due.id, due.lease_id, state, wait_s) is not None


async def record_success(connection: Connection, endpoint_id: UUID) -> None:
    """The endpoint takes what it is sent."""
    await connection.execute(_SUCCEEDED, endpoint_id)


async def record_failure(connection: Connection, endpoint_id: UUID, *, gone: bool, patience_days: int) -> bool:
    """The endpoint did not; whether that made it be switched off, and with it all that was still to be sent."""
    off = bool(await connection.fetchval(_FAILED, endpoint_id, gone, patience_days))
    if off:
        await connection.execute(_STOP, endpoint_id)
    return off
