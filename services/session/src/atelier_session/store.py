"""All SQL of the session service: one statement of a batch loads, one writes. Times are the database's own.

A batch that loads nothing does not know the database's time. Its new sagas have times relative to a ``now`` of any
clock, and the database adds the difference to its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from atelier_contracts import (
    CreditCaptured,
    CreditDeclined,
    CreditRefunded,
    GenerationRequested,
    Message,
    RenderCompleted,
    RenderFailed,
)
from atelier_messaging import Transaction
from atelier_messaging.database import Connection, Pool
from atelier_session.generation import DeliveryRecord, Generation, Settlement, State

_ADMIT = """
INSERT INTO admissions (generation_id, verdict) SELECT unnest($1::uuid[]), 'admitted'
ON CONFLICT DO NOTHING RETURNING generation_id
"""
_ADMIT_FRESH = "INSERT INTO admissions (generation_id, verdict) SELECT unnest($1::uuid[]), 'admitted'"
_WITHDRAW = "INSERT INTO admissions (generation_id, verdict) VALUES ($1, 'withdrawn') ON CONFLICT DO NOTHING"
_IS_WITHDRAWN = "SELECT EXISTS (SELECT FROM admissions WHERE generation_id = $1 AND verdict = 'withdrawn')"
_VERDICT = """
SELECT COALESCE(s.state, a.verdict) FROM admissions a LEFT JOIN sagas s USING (generation_id) WHERE a.generation_id = $1
"""
_COLUMNS = """
now() AS now, generation_id, state, ending, credits, request::text AS request, result::text AS result,
failure::text AS failure, settlement::text AS settlement, delivery::text AS delivery, resends, traceparent,
deadline_at, created_at
"""
_LOCK = f"SELECT {_COLUMNS} FROM sagas WHERE generation_id = ANY($1::uuid[]) ORDER BY generation_id FOR UPDATE"  # noqa: S608 - constants only
# A timer that was moved later is noticed when its first time comes: no step of a saga writes to the index.
_IS_ANY_DUE = "SELECT min(look_at) <= now() FROM sagas WHERE look_at IS NOT NULL"  # by the index, whatever is known
_LOCK_DUE = f"""
WITH seen AS MATERIALIZED (
    SELECT {_COLUMNS}, channel, timer_at FROM sagas WHERE look_at <= now() ORDER BY look_at LIMIT $1
    FOR UPDATE SKIP LOCKED
), put_off AS (
    UPDATE sagas s SET look_at = seen.timer_at FROM seen
    WHERE s.generation_id = seen.generation_id AND s.channel = seen.channel
      AND (seen.timer_at IS NULL OR seen.timer_at > now())
)
SELECT * FROM seen WHERE timer_at <= now() ORDER BY timer_at
"""  # noqa: S608 - constants only
_OVERDUE = """
SELECT generation_id, state FROM sagas
WHERE look_at <= now() AND timer_at <= now()
  AND (state = 'delivering' OR (resends >= $1 AND state IN ('capturing', 'refunding')))
ORDER BY timer_at LIMIT $2
"""
_FIND = f"SELECT {_COLUMNS} FROM sagas WHERE generation_id = ANY($1::uuid[])"  # noqa: S608 - constants only
_INSERT = """
INSERT INTO sagas (generation_id, channel, owner_kind, owner_id, request, traceparent, deadline_at,
                   state, ending, credits, result, failure, settlement, resends, timer_at, look_at, delivery)
SELECT n.id, n.channel, n.owner_kind, n.owner_id, n.request::jsonb, n.traceparent,
       now() + (n.deadline_at - $17::timestamptz), n.state, n.ending, n.credits, n.result::jsonb, n.failure::jsonb,
       n.settlement::jsonb, n.resends, now() + (n.timer_at - $17::timestamptz),
       now() + (n.timer_at - $17::timestamptz), n.delivery::jsonb
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::timestamptz[],
            $8::text[], $9::text[], $10::int[], $11::text[], $12::text[], $13::text[], $14::smallint[],
            $15::timestamptz[], $16::text[])
     AS n(id, channel, owner_kind, owner_id, request, traceparent, deadline_at,
          state, ending, credits, result, failure, settlement, resends, timer_at, delivery)
"""
_UPDATE = """
UPDATE sagas s SET state = c.state, ending = c.ending, credits = c.credits, result = c.result::jsonb,
                   failure = c.failure::jsonb, settlement = c.settlement::jsonb, resends = c.resends,
                   timer_at = c.timer_at, delivery = c.delivery::jsonb, updated_at = now(),
                   look_at = CASE WHEN c.timer_at >= s.look_at AND s.look_at > now() THEN s.look_at ELSE c.timer_at END
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::int[], $6::text[], $7::text[], $8::text[],
            $9::smallint[], $10::timestamptz[], $11::text[])
     AS c(id, channel, state, ending, credits, result, failure, settlement, resends, timer_at, delivery)
WHERE s.generation_id = c.id AND s.channel = c.channel RETURNING 1
"""
# The fields to keep are listed, not those to erase: a field that is added later is erased as well.
KEPT_REQUEST = """
    jsonb_build_object(
        'generation_id', request -> 'generation_id', 'channel', request -> 'channel', 'owner', request -> 'owner',
        'work', request -> 'work', 'deadline_s', request -> 'deadline_s',
        'spec', jsonb_build_object('kind', request -> 'spec' -> 'kind')
    )
"""
HAS_ENDED = "state IN ('rejected', 'succeeded', 'failed', 'cancelled', 'expired')"
_ERASE = f"""
UPDATE sagas SET
    request = {KEPT_REQUEST},
    result = jsonb_set(result, '{{outputs}}', '[]'),
    failure = jsonb_set(failure, '{{reason}}', '"forgotten with the generation"'),
    updated_at = now()
WHERE generation_id = ANY($1::uuid[]) AND {HAS_ENDED}
"""  # noqa: S608 - constants only
_LOG = """
INSERT INTO saga_log (generation_id, state_from, heard, message_id, outcome, state_to, sent)
SELECT l.id, l.state_from, l.heard, l.message_id, l.outcome, l.state_to, string_to_array(l.sent, ' ')
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[])
     AS l(id, state_from, heard, message_id, outcome, state_to, sent)
"""


@dataclass(slots=True)
class Saga:
    """A generation within a batch: its data, and whether it is new or changed."""

    generation: Generation
    traceparent: str | None
    created_at: datetime
    new: bool
    changed: bool = False
    timer_at: datetime | None = None
    is_render_unanswered: bool = False
    """It ended without an answer from its render, which may yet have made something."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One row of ``saga_log``."""

    generation_id: UUID
    state_from: str
    heard: str
    message_id: UUID | None
    outcome: str
    state_to: str
    sent: str


async def admit(connection: Connection, ids: Sequence[UUID]) -> set[UUID]:
    """The ids that are admitted now: not seen before and not withdrawn."""
    rows = await connection.fetch(_ADMIT, sorted(set(ids)))
    return {row["generation_id"] for row in rows}


def write_admissions(tx: Transaction, ids: Sequence[UUID]) -> None:
    """Admits these ids; the batch starts over if one of them was seen before or is withdrawn."""
    tx.write("admitted", _ADMIT_FRESH, sorted(ids), key="admissions_pkey")


async def withdraw(connection: Connection, id_: UUID) -> str:
    """Writes a tombstone unless the request came first; returns ``withdrawn`` or the state of the saga."""
    await connection.execute(_WITHDRAW, id_)
    return str(await connection.fetchval(_VERDICT, id_))


async def is_withdrawn(connection: Connection, id_: UUID) -> bool:
    """Whether it has a tombstone."""
    return bool(await connection.fetchval(_IS_WITHDRAWN, id_))


async def lock_sagas(connection: Connection, ids: Sequence[UUID]) -> tuple[datetime, dict[UUID, Saga]]:
    """Locks and loads the sagas of these generations, in id order; with the time."""
    return _sagas(await connection.fetch(_LOCK, sorted(set(ids))))


async def is_any_due(pool: Pool) -> bool:
    """Whether ``lock_due_sagas`` may find one."""
    return bool(await pool.fetchval(_IS_ANY_DUE))


async def lock_due_sagas(connection: Connection, *, rows_max: int) -> tuple[datetime, dict[UUID, Saga]]:
    """Locks and loads sagas whose timer is due, except those that another process has locked; with the time."""
    return _sagas(await connection.fetch(_LOCK_DUE, rows_max))


async def find_overdue(pool: Pool, *, resends: int, rows_max: int) -> dict[UUID, State]:
    """Generations of which another service knows more, with their states: their settlement was sent again
    ``resends`` times without an answer and is due again, or their delivery window is over."""
    return {row["generation_id"]: State(row["state"]) for row in await pool.fetch(_OVERDUE, resends, rows_max)}


async def find(pool: Pool | Connection, ids: Sequence[UUID]) -> list[Generation]:
    """Those of the generations that have a saga, as they are now."""
    return [_generation(row) for row in await pool.fetch(_FIND, list(ids))]


def new_saga(request: GenerationRequested, *, now: datetime, traceparent: str | None) -> Saga:
    """A saga that begins with this request."""
    deadline = now + timedelta(seconds=request.deadline_s)
    return Saga(Generation(request, deadline), traceparent, now, new=True)


def save_sagas(tx: Transaction, sagas: Mapping[UUID, Saga], log: Sequence[LogEntry], *, now: datetime) -> None:
    """Writes the changed sagas and their log. ``now`` is what the times of the new ones are relative to."""
    new = [saga for saga in sagas.values() if saga.new and saga.changed]
    old = [saga for saga in sagas.values() if not saga.new and saga.changed]
    if new:
        tx.write("new_sagas", _INSERT, *_insert_columns(new), *_update_columns(new), now)
    if old:
        requests = [saga.generation.request for saga in old]
        ids, channels = [r.generation_id for r in requests], [r.channel for r in requests]
        tx.write("changed_sagas", _UPDATE, ids, channels, *_update_columns(old), rows=len(old))
    if log:
        columns = ("generation_id", "state_from", "heard", "message_id", "outcome", "state_to", "sent")
        tx.write("logged", _LOG, *([getattr(entry, column) for entry in log] for column in columns))


async def erase_requests(connection: Connection, ids: Sequence[UUID]) -> None:
    """Erases request and result of ended sagas, except for the fields that the price depends on."""
    await connection.execute(_ERASE, sorted(set(ids)))


def _insert_columns(sagas: Sequence[Saga]) -> list[list[Any]]:
    """The columns that never change, one list each."""
    requests = [saga.generation.request for saga in sagas]
    return [
        [r.generation_id for r in requests],
        [r.channel for r in requests],
        [r.owner.kind for r in requests],
        [r.owner.id for r in requests],
        [_json(r) for r in requests],
        [saga.traceparent for saga in sagas],
        [saga.generation.deadline_at for saga in sagas],
    ]


def _json(message: Message | None) -> str | None:
    """Without what has its default value, as on the bus."""
    return message.model_dump_json(exclude_defaults=True) if message else None


def _update_columns(sagas: Sequence[Saga]) -> list[list[Any]]:
    """The columns that change, one list each."""
    known = [saga.generation for saga in sagas]
    return [
        [g.state.value for g in known],
        [g.ending.value if g.ending else None for g in known],
        [g.credits for g in known],
        [_json(g.result) for g in known],
        [_json(g.failure) for g in known],
        [_json(g.settlement) for g in known],
        [g.resends for g in known],
        [saga.timer_at for saga in sagas],
        [g.delivery.model_dump_json() if g.delivery else None for g in known],
    ]


def _sagas(rows: Sequence[Any]) -> tuple[datetime, dict[UUID, Saga]]:
    """Without a row there is nothing that a time could be compared with, and any clock will do."""
    now = rows[0]["now"] if rows else datetime.now(UTC)
    return now, {row["generation_id"]: _saga(row) for row in rows}


def _saga(row: Any) -> Saga:
    return Saga(_generation(row), row["traceparent"], row["created_at"], new=False)


def _generation(row: Any) -> Generation:
    state, ending = State(row["state"]), State(row["ending"]) if row["ending"] else None
    return Generation(
        request=GenerationRequested.model_validate_json(row["request"]),
        deadline_at=row["deadline_at"],
        state=state,
        ending=ending,
        credits=row["credits"],
        result=RenderCompleted.model_validate_json(row["result"]) if row["result"] else None,
        failure=RenderFailed.model_validate_json(row["failure"]) if row["failure"] else None,
        settlement=_settlement_of(state, ending).model_validate_json(row["settlement"]) if row["settlement"] else None,
        resends=row["resends"],
        delivery=DeliveryRecord.model_validate_json(row["delivery"]) if row["delivery"] else None,
    )


def _settlement_of(state: State, ending: State | None) -> type[Settlement]:
    """The class of billing's last event about a generation in this state."""
    if State.REJECTED in (state, ending):
        return CreditDeclined
    return CreditCaptured if state is State.SUCCEEDED else CreditRefunded
