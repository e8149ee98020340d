"""One batch, step by step: validates it, keeps a bounded number of its rows under way, and ends it.

Every step starts from what the tables say and may be taken twice, by two processes at once: a row is one generation by
its id, and a row or batch that has ended stays as it ended. So a killed process costs a batch the rest of its lease.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from atelier_gateway.batches import file_store, planning, row_store, store, submission
from atelier_gateway.batches.endings import NEVER_BEGUN, RowEndings
from atelier_gateway.batches.files import FileMaker
from atelier_gateway.batches.records import Batch, BatchState, LineError, Row, RowEnd, RowState, problem_record
from atelier_gateway.batches.row_surface import RowSurface
from atelier_gateway.batches.submission import Postponed, Refused, Submitted, Unaffordable
from atelier_gateway.generations.balance_check import BalanceCheck
from atelier_gateway.generations.cancellation import GenerationCanceller
from atelier_gateway.peers.client import PeerClient, PeerUnavailable
from atelier_gateway.projection import store as projection_store
from atelier_gateway.web.problems import Problem
from atelier_messaging import UnitOfWork

BUSY_S = 0.0
LOOK_EVERY_S = 0.25
"""How often it is looked for rows that have ended."""
SHUT_S = 5.0
"""How often it is looked whether an account that operators have shut is open again: its rows wait for that."""
PAUSE_S_MAX = 30.0
DEADLINE_S_MAX = 86_400
EXPIRED = {
    "code": "batch_expired",
    "detail": "This request could not be executed before the completion window expired.",
}
CANCELLED = {"code": "batch_cancelled", "detail": "The batch was cancelled before this request was executed."}
FINAL: dict[BatchState, BatchState] = {"finalizing": "completed", "cancelling": "cancelled", "in_progress": "expired"}
"""What a batch becomes once all its rows have ended; one that is still in progress has run out of its window."""
logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Progress:
    """What one turn at a batch remembers; another turn finds it out again."""

    is_probing: bool = False
    """There were too few credits: one row at a time, once none of the batch is under way."""
    pause_s: float = LOOK_EVERY_S
    submission: "asyncio.Task[float] | None" = None
    """The last one, which goes on where the turn is broken off: what it begins has to be found."""

    @property
    def is_submitting(self) -> bool:
        """Whether rows are being begun at this moment."""
        return self.submission is not None and not self.submission.done()


class BatchRunner:
    """Takes the steps of batches."""

    def __init__(
        self,
        unit: UnitOfWork,
        peers: PeerClient,
        balance: BalanceCheck,
        canceller: GenerationCanceller,
        endings: RowEndings,
        files: FileMaker,
        surfaces: dict[str, RowSurface],
        *,
        rows_at_once: int,
        rows_max: int,
    ) -> None:
        """``surfaces`` by name; ``rows_at_once`` of one batch are under way at most."""
        self._unit = unit
        self._peers = peers
        self._balance = balance
        self._canceller = canceller
        self._endings = endings
        self._files = files
        self._surfaces = surfaces
        self._rows_at_once = rows_at_once
        self._rows_max = rows_max

    async def step(self, batch: Batch, progress: Progress) -> float:
        """Does what can be done for it now; after how many seconds there may be more to do."""
        match batch.state:
            case "validating" if datetime.now(UTC) < batch.expires_at:
                await self._validate(batch)
                return BUSY_S
            case "validating":
                late = LineError(None, EXPIRED["code"], EXPIRED["detail"])
                await store.fail(self._unit.pool, batch.id, [late.to_json()])
                return BUSY_S
            case "in_progress" if datetime.now(UTC) < batch.expires_at:
                return await self._advance(batch, progress)
            case "in_progress":
                return await self._drain(batch, "expired", EXPIRED)
            case "cancelling":
                return await self._drain(batch, "cancelled", CANCELLED)
            case "finalizing":
                await self._finish(batch)
        return BUSY_S

    async def _validate(self, batch: Batch) -> None:
        """Reads and prices its file. Raises PeerUnavailable."""
        assert batch.input_file_id is not None, "what is validated later has a file"
        content = await file_store.read(self._unit.pool, batch.owner, batch.input_file_id)
        if content is None:
            gone = LineError(None, "invalid_request", "The input file is deleted.", "input_file_id")
            return await store.fail(self._unit.pool, batch.id, [gone.to_json()])
        surface, principal = self._surfaces[batch.surface], submission.principal_of(batch)
        try:
            lines = planning.split_lines(content, rows_max=self._rows_max)
            planned = await planning.plan_rows(surface, principal, batch.endpoint, lines)
            errors = [item for item in planned if isinstance(item, LineError)]
            if errors:
                return await store.fail(self._unit.pool, batch.id, [error.to_json() for error in errors])
            rows = [item for item in planned if not isinstance(item, LineError)]
            plan = await planning.price_rows(self._peers, batch.owner, rows, window_s=batch.window_s)
            await self._balance.require(batch.owner, plan.credits)
        except Problem as error:
            return await store.fail(self._unit.pool, batch.id, [LineError(None, error.code, error.detail).to_json()])
        async with self._unit.once(dispatch=False) as tx:
            if await store.start(tx.connection, batch.id, len(rows), plan.prices, plan.credits):
                await row_store.insert(tx.connection, batch.id, plan.rows, plan.price_of)

    async def _advance(self, batch: Batch, progress: Progress) -> float:
        under_way = await self._settle(batch)
        room = self._rows_at_once - under_way
        if progress.is_probing:
            room = 0 if under_way else 1
        waiting = await row_store.list_waiting(self._unit.pool, batch.id, room) if room > 0 else []
        if not waiting:
            if not under_way and room > 0:
                await store.finalize(self._unit.pool, batch.id)
                return BUSY_S
            return LOOK_EVERY_S
        if await store.is_shut(self._unit.pool, batch.owner):
            return SHUT_S
        progress.submission = asyncio.create_task(self._submit(batch, waiting, progress))
        return await asyncio.shield(progress.submission)

    async def _submit(self, batch: Batch, rows: Sequence[Row], progress: Progress) -> float:
        """Begins these rows, which wait. Returns the pause until more may be begun."""
        known = await projection_store.find_for_owners(
            self._unit.pool, [(row.generation_id, batch.owner) for row in rows]
        )
        there = [row for row in rows if (row.generation_id, batch.owner) in known]
        fresh = [row for row in rows if (row.generation_id, batch.owner) not in known]
        left_s = int((batch.expires_at - datetime.now(UTC)).total_seconds())
        deadline_s = max(1, min(DEADLINE_S_MAX, left_s))
        surface = self._surfaces[batch.surface]
        came = await asyncio.gather(
            *(submission.submit(surface, batch, row, deadline_s=deadline_s) for row in fresh), return_exceptions=True
        )
        outcomes = list(zip(fresh, came, strict=True))
        begun = there + [row for row, outcome in outcomes if isinstance(outcome, Submitted)]
        await row_store.mark_submitted(self._unit.pool, batch.id, begun)
        # Where this process stood still past its lease, another has ended these rows, or begun them anew.
        await self._cancel_all(batch, await row_store.list_unwanted(self._unit.pool, batch.id, begun))
        refused = [
            RowEnd(row.number, row.generation_id, "failed", problem=problem_record(outcome.problem))
            for row, outcome in outcomes
            if isinstance(outcome, Refused)
        ]
        await row_store.end(self._unit.pool, batch.id, refused)
        lost = [
            row for row, out in outcomes if isinstance(out, Unaffordable) or (isinstance(out, Postponed) and out.anew)
        ]
        await self._begin_anew(batch, lost)
        await self._note_credits(batch, outcomes, progress)
        for error in (error for error in came if isinstance(error, BaseException)):
            raise error
        if begun or refused:
            progress.pause_s = LOOK_EVERY_S
            return BUSY_S if refused and not begun else LOOK_EVERY_S
        progress.pause_s = min(PAUSE_S_MAX, progress.pause_s * 2)
        return progress.pause_s

    async def _note_credits(self, batch: Batch, outcomes: Sequence[tuple[Row, object]], progress: Progress) -> None:
        """Where credits were too few: rows under way may return some, so the next row is tried once none is; if it is
        declined then, the rows that cost more than is left fail with that reason, and the others go on."""
        short = [(row, out) for row, out in outcomes if isinstance(out, Unaffordable)]
        if not short:
            progress.is_probing = progress.is_probing and not outcomes
            return
        if not progress.is_probing:
            progress.is_probing, progress.pause_s = True, LOOK_EVERY_S
            return
        row, out = short[0]
        room = batch.prices[row.price].credits - 1 if out.room is None else out.room
        dear = [place for place, price in enumerate(batch.prices) if price.credits > room]
        prices = {row.price, *dear}
        logger.warning(
            "batch %s ran out of credits, the rows that cost more than %d fail: %s", batch.id, room, out.problem
        )
        await row_store.end_waiting(self._unit.pool, batch.id, "failed", problem_record(out.problem), prices)
        progress.pause_s = LOOK_EVERY_S

    async def _drain(self, batch: Batch, state: RowState, problem: dict[str, str]) -> float:
        """Begins nothing more, stops what is under way, and ends the batch once that has ended."""
        await row_store.end_waiting(self._unit.pool, batch.id, state, problem)
        if not await self._settle(batch, stopped=state):
            await self._finish(batch)
            return BUSY_S
        rows = await row_store.list_submitted(self._unit.pool, batch.id, self._rows_at_once)
        await self._cancel_all(batch, [row.generation_id for row in rows])
        return LOOK_EVERY_S

    async def _cancel_all(self, batch: Batch, ids: Sequence[UUID]) -> None:
        if ids:
            wanted = [(id_, batch.owner) for id_ in ids]
            found = (await projection_store.find_for_owners(self._unit.pool, wanted)).values()
            await asyncio.gather(*(self._cancel(generation) for generation in found))

    async def _cancel(self, generation: projection_store.Generation) -> None:
        with suppress(Problem):  # it has ended in the meantime
            await self._canceller.cancel(generation)

    async def _settle(self, batch: Batch, *, stopped: RowState = "failed") -> int:
        """Writes down which rows have ended, and how (``stopped``: those whose generation was cancelled); how many are
        under way still."""
        rows = await row_store.list_submitted(self._unit.pool, batch.id, self._rows_at_once * 4)
        settled = await self._endings.settle(batch, rows, self._surfaces[batch.surface].fields, stopped)
        await row_store.end(self._unit.pool, batch.id, settled.ended)
        await self._begin_anew(batch, settled.lost)
        return len(rows) - len(settled.ended) - len(settled.lost)

    async def _begin_anew(self, batch: Batch, rows: Sequence[Row]) -> None:
        """Gives these rows other ids, where it is certain that nothing will ever come of those they have: another
        process may be submitting one of them at this moment, or have died at it. The others are tried again."""
        states = await asyncio.gather(*(self._withdraw(row.generation_id) for row in rows))
        gone = [row for row, state in zip(rows, states, strict=True) if state in NEVER_BEGUN]
        await row_store.begin_anew(self._unit.pool, batch.id, gone)

    async def _withdraw(self, id_: UUID) -> str | None:
        try:
            return await self._peers.withdraw(id_)
        except PeerUnavailable as error:
            logger.warning("generation %s of a batch not withdrawn, it is tried again: %s", id_, error)
            return None

    async def _finish(self, batch: Batch) -> None:
        """All rows have ended: makes the files and ends the batch."""
        await self._files.finish(batch, FINAL[batch.state])
