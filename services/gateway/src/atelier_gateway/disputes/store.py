"""SQL of disputes. An output is disputed once: its row in ``disputed_outputs`` says by which dispute."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg

from atelier_contracts import Owner
from atelier_gateway.disputes.rules import Check, OutputEvidence, Reason, Rule
from atelier_messaging.database import Connection, Pool

DisputeState = Literal["refunding", "refunded", "declined", "review"]
REFUNDS_COUNTED_DAYS = 30

_COLUMNS = """id, generation_id, owner_kind, owner_id, reason, text, outputs, state, rule, evidence, credits,
decided_by, note, created_at, decided_at"""
# One at a time for an owner, so that two at once cannot pass the bound together.
_LOCK_OWNER = "SELECT pg_advisory_xact_lock(hashtextextended('disputes ' || $1 || ' ' || $2, 0))"
_COUNT_REFUNDS = """
SELECT count(*) FROM disputes WHERE owner_kind = $1 AND owner_id = $2 AND rule = 'broken_output'
AND created_at > now() - make_interval(days => $3)
"""
_INSERT = f"""
WITH taken AS (
    INSERT INTO disputed_outputs (generation_id, output, dispute_id) SELECT $2, unnest($7::smallint[]), $1
)
INSERT INTO disputes (id, generation_id, owner_kind, owner_id, reason, text, outputs, state, rule, evidence, credits,
                      decided_by, decided_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, CASE WHEN $8 = 'declined' THEN now() END)
RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only
_OVERLAPPING = f"""
SELECT {_COLUMNS} FROM disputes WHERE id IN (
    SELECT dispute_id FROM disputed_outputs WHERE generation_id = $1 AND output = ANY($2::smallint[])
) ORDER BY id
"""  # noqa: S608 - constants only
_ONE = f"SELECT {_COLUMNS} FROM disputes WHERE id = $1"  # noqa: S608 - constants only
_OF_GENERATION = f"""
SELECT {_COLUMNS} FROM disputes WHERE generation_id = $1 AND owner_kind = $2 AND owner_id = $3 ORDER BY id
"""  # noqa: S608 - constants only
_PAGE = f"""
SELECT {_COLUMNS} FROM disputes WHERE ($1::text IS NULL OR state = $1) AND ($2::uuid IS NULL OR id < $2)
ORDER BY id DESC LIMIT $3
"""  # noqa: S608 - constants only
_DECIDE = f"""
UPDATE disputes SET state = $2, rule = 'operator', credits = $3, decided_by = $4, note = $5,
       decided_at = CASE WHEN $2 = 'declined' THEN now() END
WHERE id = $1 AND state = 'review' RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only
_SETTLE = f"""
UPDATE disputes d SET state = CASE WHEN n.refused THEN 'declined' ELSE 'refunded' END, credits = n.credits,
       rule = CASE WHEN n.refused THEN 'returned_before' ELSE d.rule END, decided_at = now()
FROM unnest($1::uuid[], $2::int[], $3::bool[]) AS n(id, credits, refused)
WHERE d.id = n.id AND d.state = 'refunding' RETURNING {", ".join(f"d.{name.strip()}" for name in _COLUMNS.split(","))}
"""  # noqa: S608 - constants only
# Locked, so that one process at a time repeats them.
_UNANSWERED = f"""
SELECT {_COLUMNS} FROM disputes WHERE state = 'refunding' AND created_at < now() - make_interval(secs => $1)
ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
"""  # noqa: S608 - constants only
_FORGET_TEXT = "UPDATE disputes SET text = '' WHERE generation_id = $1"
_BEGIN_DELETION = "INSERT INTO generation_deletions (generation_id) VALUES ($1) ON CONFLICT DO NOTHING"
_END_DELETION = "DELETE FROM generation_deletions WHERE generation_id = $1"
_IS_KEPT = """
SELECT EXISTS (SELECT FROM generations WHERE id = $1)
   AND NOT EXISTS (SELECT FROM generation_deletions WHERE generation_id = $1)
"""
_COUNT_WAITING = "SELECT count(*) FROM disputes WHERE state = 'review'"


@dataclass(frozen=True, slots=True)
class NewDispute:
    """A dispute as it is recorded. ``credits`` is what is being returned; ``decided_by`` is None until decided."""

    id: UUID
    generation_id: UUID
    owner: Owner
    reason: Reason
    text: str
    outputs: tuple[int, ...]
    state: DisputeState
    rule: Rule
    evidence: tuple[OutputEvidence, ...]
    credits: int
    decided_by: str | None


@dataclass(frozen=True, slots=True)
class Dispute(NewDispute):
    """A dispute on record; ``note`` is the reason of an operator's decision."""

    note: str | None
    created_at: datetime
    decided_at: datetime | None


async def lock_owner(connection: Connection, owner: Owner) -> None:
    """Until the transaction ends no other dispute of this owner is recorded."""
    await connection.execute(_LOCK_OWNER, owner.kind, str(owner.id))


async def count_refunds(connection: Connection, owner: Owner) -> int:
    """How many disputes of this owner the rules refunded within ``REFUNDS_COUNTED_DAYS``."""
    return int(await connection.fetchval(_COUNT_REFUNDS, owner.kind, owner.id, REFUNDS_COUNTED_DAYS))


async def insert(connection: Connection, new: NewDispute) -> Dispute:
    """Records a dispute of outputs that are not disputed yet, with the owner locked."""
    row = await connection.fetchrow(
        _INSERT,
        new.id,
        new.generation_id,
        new.owner.kind,
        new.owner.id,
        new.reason,
        new.text,
        list(new.outputs),
        new.state,
        new.rule,
        [asdict(each) for each in new.evidence],
        new.credits,
        new.decided_by,
    )
    return _dispute(row)


async def find_overlapping(connection: Connection | Pool, generation_id: UUID, outputs: Sequence[int]) -> list[Dispute]:
    """The disputes of any of these outputs."""
    return [_dispute(row) for row in await connection.fetch(_OVERLAPPING, generation_id, list(outputs))]


async def find(connection: Connection | Pool, id_: UUID) -> Dispute | None:
    """The dispute with this id, for operators."""
    row = await connection.fetchrow(_ONE, id_)
    return _dispute(row) if row else None


async def list_for_generation(pool: Pool, generation_id: UUID, owner: Owner) -> list[Dispute]:
    """The disputes of this owner's generation, the oldest first."""
    return [_dispute(row) for row in await pool.fetch(_OF_GENERATION, generation_id, owner.kind, owner.id)]


async def list_page(pool: Pool, *, state: str | None, before: UUID | None, limit: int) -> list[Dispute]:
    """All owners' disputes, the newest first, for operators."""
    return [_dispute(row) for row in await pool.fetch(_PAGE, state, before, limit)]


async def decide(
    connection: Connection, id_: UUID, *, state: DisputeState, credits: int, decided_by: str, note: str
) -> Dispute | None:
    """Writes an operator's decision; None where the dispute does not wait for one."""
    row = await connection.fetchrow(_DECIDE, id_, state, credits, decided_by, note)
    return _dispute(row) if row else None


async def settle(connection: Connection, settled: Mapping[UUID, tuple[int, bool]]) -> list[Dispute]:
    """Ends those of these disputes that are being refunded: by id the credits that billing returned, and whether it
    refused. Each is answered once."""
    ids = sorted(settled)
    rows = await connection.fetch(_SETTLE, ids, [settled[id_][0] for id_ in ids], [settled[id_][1] for id_ in ids])
    return [_dispute(row) for row in rows]


async def lock_unanswered(connection: Connection, *, after_s: float, limit: int) -> list[Dispute]:
    """Those opened so long ago whose return billing has not answered."""
    return [_dispute(row) for row in await connection.fetch(_UNANSWERED, after_s, limit)]


async def begin_deletion(connection: Connection, generation_id: UUID) -> None:
    """Notes that its owner deletes it. Committed before the first object goes: that it is gone then proves nothing."""
    await connection.execute(_BEGIN_DELETION, generation_id)


async def end_deletion(connection: Connection, generation_id: UUID) -> None:
    """With the deletion of its row. Removes what its customer wrote from its disputes."""
    await connection.execute(_END_DELETION, generation_id)
    await connection.execute(_FORGET_TEXT, generation_id)


async def is_kept(connection: Connection, generation_id: UUID) -> bool:
    """Whether it is there, and its owner has not begun to delete it."""
    return bool(await connection.fetchval(_IS_KEPT, generation_id))


async def count_waiting(pool: Pool) -> int:
    """How many wait for an operator."""
    return int(await pool.fetchval(_COUNT_WAITING))


def _dispute(row: asyncpg.Record | None) -> Dispute:
    assert row is not None, "a statement that writes a dispute returns it"
    return Dispute(
        row["id"],
        row["generation_id"],
        Owner(kind=row["owner_kind"], id=row["owner_id"]),
        row["reason"],
        row["text"],
        tuple(row["outputs"]),
        row["state"],
        row["rule"],
        tuple(_evidence(each) for each in row["evidence"]),
        row["credits"],
        row["decided_by"],
        row["note"],
        row["created_at"],
        row["decided_at"],
    )


def _evidence(value: Mapping[str, Any]) -> OutputEvidence:
    return OutputEvidence(value["output"], tuple(Check(**check) for check in value["checks"]))
