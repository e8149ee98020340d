"""SQL of what operators did: one row an act, in the transaction of the act, for good."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from atelier_messaging.database import Connection, Pool

GRANT = "credits.grant"

_COLUMNS = "id, at, act, target_kind, target_id, operator_id, operator_name, request_id, details"
_INSERT = f"""
INSERT INTO admin_acts ({_COLUMNS}) VALUES ($1, now(), $2, $3, $4, $5, $6, $7, $8)
"""  # noqa: S608 - constants only
_PAGE = f"""
SELECT {_COLUMNS} FROM admin_acts
WHERE ($1::text IS NULL OR act = $1) AND ($2::uuid IS NULL OR target_id = $2) AND ($3::uuid IS NULL OR operator_id = $3)
  AND ($4::uuid IS NULL OR id < $4)
ORDER BY id DESC LIMIT $5
"""  # noqa: S608 - constants only
_GRANT_BY_ID = """
SELECT target_kind, target_id, details FROM admin_acts WHERE act = 'credits.grant' AND details ->> 'grant_id' = $1
"""


@dataclass(frozen=True, slots=True)
class NewOperatorAct:
    """What an operator does to what, with what is worth knowing later; never a secret."""

    id: UUID
    act: str
    target_kind: str
    target_id: UUID | None
    operator_id: UUID
    operator_name: str
    request_id: str
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OperatorAct(NewOperatorAct):
    """An act as it was written."""

    at: datetime


async def insert(connection: Connection, new: NewOperatorAct) -> None:
    """Writes the act into the caller's transaction."""
    await connection.execute(
        _INSERT,
        new.id,
        new.act,
        new.target_kind,
        new.target_id,
        new.operator_id,
        new.operator_name,
        new.request_id,
        dict(new.details),
    )


async def list_page(
    pool: Pool,
    *,
    before: UUID | None,
    limit: int,
    act: str | None = None,
    target: UUID | None = None,
    operator: UUID | None = None,
) -> list[OperatorAct]:
    """Acts, newest first; None as a filter means all."""
    return [OperatorAct(**row) for row in await pool.fetch(_PAGE, act, target, operator, before, limit)]


async def find_grant(connection: Connection, grant_id: UUID) -> tuple[str, UUID, dict[str, Any]] | None:
    """The grant that was ordered under this id: whose, and its details; None where there was none."""
    row = await connection.fetchrow(_GRANT_BY_ID, str(grant_id))
    return (row["target_kind"], row["target_id"], row["details"]) if row else None
