"""Cancels a generation at its owner's request, in any state.

The saga decides; what is delivered already stays charged. A request that has not reached the session yet is withdrawn
instead: a cancel that overtook its own request on the bus would make no sense there.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from atelier_contracts import CancelRequested
from atelier_gateway.generations.delivery import OutputDeliverer, is_charged_on_delivery
from atelier_gateway.generations.generation_log import log_ends
from atelier_gateway.peers import unconfirmed_store
from atelier_gateway.peers.client import PeerClient, PeerUnavailable
from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.changes import save_snapshots
from atelier_gateway.projection.snapshot import TERMINAL
from atelier_gateway.projection.store import Generation
from atelier_gateway.projection.waiter import GenerationWaiter
from atelier_gateway.web.problems import Problem
from atelier_gateway.webhooks.enqueuer import DeliveryEnqueuer
from atelier_gateway.webhooks.events import StateChange
from atelier_messaging import Transaction, UnitOfWork
from atelier_telemetry.tracing import current_traceparent

Record = Callable[[Transaction], Awaitable[None]]
END_S_MAX = 5.0
"""How long the answer to a cancel waits for the end; a renderer notices a cancel within a third of its lease."""


class GenerationCanceller:
    """Cancels generations."""

    def __init__(
        self,
        work: UnitOfWork,
        internal: PeerClient,
        waiting: GenerationWaiter,
        noting: DeliveryEnqueuer,
        deliverer: OutputDeliverer,
    ) -> None:
        self._work = work
        self._internal = internal
        self._waiting = waiting
        self._noting = noting
        self._deliverer = deliverer

    async def cancel(self, generation: Generation, record: Record | None = None) -> None:
        """Returns once it has ended, or after ``END_S_MAX``; ``record`` writes into the transaction of the cancel.

        Raises Problem 409 for one that had ended before, and while an output of it is being sent to a client that is
        charged for it."""
        if generation.snapshot.rank == TERMINAL:
            state = generation.snapshot.state
            raise Problem("conflict", f"This generation has ended: {state}. Nothing was changed.")
        if generation.snapshot.state == "accepted" and await self._was_withdrawn(generation.id):
            await self._end(generation.id, record)
            return
        async with self._work.once() as work:
            if record is not None:
                await record(work)
            on_delivery = is_charged_on_delivery(generation)
            delivered = await self._deliverer.close(work, generation.id) if on_delivery else ()
            cancel = CancelRequested(generation_id=generation.id, delivered=delivered)
            work.emit(await unconfirmed_store.insert(work.connection, cancel))
        await self._waiting.wait_until_ended(generation.id, END_S_MAX)

    async def _was_withdrawn(self, id_: UUID) -> bool:
        """Whether it will never begin. False while the session is unavailable: it gets request and cancel in order."""
        try:
            return await self._internal.withdraw(id_) == "withdrawn"
        except PeerUnavailable:
            return False

    async def _end(self, id_: UUID, record: Record | None) -> None:
        """Writes the end of a generation that never began, since no saga will report one."""
        async with self._work.once() as work:
            if record is not None:
                await record(work)
            found = await projection_store.lock_snapshots(work.connection, [id_])
            at = datetime.now(UTC)
            alive = {
                id_: replace(now, state="cancelled", ended_at=at) for id_, now in found.items() if now.rank < TERMINAL
            }
            saved = await save_snapshots(work.connection, alive)
            steps = [StateChange(id_, now, current_traceparent()) for id_, now in alive.items()]
            await self._noting.enqueue_changes(work, steps, saved.subscribed)
            work.after_commit(lambda: log_ends(saved.ended, alive))
            work.after_commit(lambda: self._waiting.wake(alive))
