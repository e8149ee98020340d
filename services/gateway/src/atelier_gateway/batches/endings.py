"""How the rows under way have ended, read off their generations."""

from collections.abc import Sequence
from dataclasses import dataclass

from atelier_gateway.batches.records import Batch, Row, RowEnd, RowState, problem_record
from atelier_gateway.generations import failure_problems
from atelier_gateway.generations.failure_problems import FieldNames
from atelier_gateway.peers.client import PeerClient
from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.snapshot import TERMINAL
from atelier_gateway.projection.store import Generation
from atelier_gateway.web.problems import Problem
from atelier_messaging.database import Pool

NEVER_BEGUN = ("rejected", "withdrawn")


@dataclass(frozen=True, slots=True)
class Settled:
    """Those that have ended, and those whose generation came to nothing before it began."""

    ended: Sequence[RowEnd]
    lost: Sequence[Row]


class RowEndings:
    """Reads how generations ended."""

    def __init__(self, pool: Pool, peers: PeerClient) -> None:
        self._pool = pool
        self._peers = peers

    async def settle(self, batch: Batch, rows: Sequence[Row], fields: FieldNames, stopped: RowState) -> Settled:
        """Of these rows, whose generations are under way; one whose generation was cancelled is ``stopped``. Raises
        PeerUnavailable for one that is gone."""
        wanted = [(row.generation_id, batch.owner) for row in rows]
        found = await projection_store.find_for_owners(self._pool, wanted) if wanted else {}
        ended: list[RowEnd] = []
        lost: list[Row] = []
        for row in rows:
            generation = found.get((row.generation_id, batch.owner))
            end = await self._gone(row) if generation is None else _end_of(row, generation, fields, stopped)
            if isinstance(end, RowEnd):
                ended.append(end)
            elif end is None:
                lost.append(row)
        return Settled(ended, lost)

    async def _gone(self, row: Row) -> RowEnd | None:
        """Of a generation whose row is deleted: by its owner once it had ended, or since it never began (None)."""
        saga = await self._peers.get_saga(row.generation_id)
        if saga is None or saga.get("state") in NEVER_BEGUN:
            return None
        hold = await self._peers.get_hold(row.generation_id) or {}
        if captured := int(hold.get("captured", 0)):
            return RowEnd(row.number, row.generation_id, "succeeded", captured)
        deleted = Problem("not_found", "The generation is deleted. Nothing is charged.")
        return RowEnd(row.number, row.generation_id, "failed", problem=problem_record(deleted))


class UnderWay:
    """A row whose generation has not ended."""


UNDER_WAY = UnderWay()


def _end_of(row: Row, generation: Generation, fields: FieldNames, stopped: RowState) -> RowEnd | UnderWay | None:
    """How the row ended; None where its generation never began."""
    snapshot = generation.snapshot
    if snapshot.rank != TERMINAL:
        return UNDER_WAY
    if snapshot.state == "rejected":
        return None
    if snapshot.state == "succeeded":
        return RowEnd(row.number, row.generation_id, "succeeded", snapshot.credits_captured)
    state = stopped if snapshot.state == "cancelled" else "failed"
    problem = problem_record(failure_problems.problem_of(generation, fields))
    return RowEnd(row.number, row.generation_id, state, snapshot.credits_captured, problem)
