"""Delivers the outputs of generations that are charged on delivery, and writes down that it did.

An output is delivered when its client has fetched it whole, acknowledged it, or answered the webhook of its request, or
when its client's own bucket has taken it (``bucket_delivery.py``).
All of that, a cancel and the end of the window are decided under the lock of one row, so that nothing is both delivered
and withdrawn. The last piece of a fetched output goes out under a transfer on that row: while it is on its way the
handover is not closed, and only afterwards the output counts as delivered.
"""

import logging
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from atelier_contracts import OutputDelivery, OutputsDelivered
from atelier_contracts.value_objects import DeliveryMethod
from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.handover import Handover, Transfer
from atelier_gateway.projection.snapshot import Snapshot
from atelier_gateway.projection.store import Generation
from atelier_gateway.web.problems import Problem, field_problem
from atelier_messaging import Transaction, UnitOfWork
from atelier_telemetry import metrics

ON_DELIVERY = "on_delivery"
TRANSFER_S_MAX = 30.0
"""How long the last piece of an output may be on its way. Where the process dies during it, the handover can be closed
after this long, and that output is not charged."""
BUSY = "An output is being sent at this moment; try again in a second."
logger = logging.getLogger(__name__)


def is_charged_on_delivery(generation: Generation) -> bool:
    """Whether its outputs are charged as they are delivered."""
    return generation.request.get("charge") == ON_DELIVERY


class OutputDeliverer:
    """Changes handovers, each under the lock of its generation's row."""

    def __init__(self, unit: UnitOfWork) -> None:
        self._unit = unit

    async def acknowledge(self, generation: Generation, outputs: Sequence[int] | None) -> None:
        """The client says that it has these outputs, all where it is None. Said again, it changes nothing.

        Raises Problem 409 where nothing can be acknowledged, 400 for an output that there is none of.
        """
        if not is_charged_on_delivery(generation):
            raise Problem("conflict", "It is charged on completion: there is nothing to acknowledge.")
        async with self._unit.once() as tx:
            snapshot = await _lock(tx, generation.id)
            handover = snapshot.handover if snapshot else None
            if snapshot is None or handover is None or handover.deliver_by is None:
                raise Problem("conflict", "Its outputs do not exist: there is nothing to acknowledge.")
            wanted = range(handover.made) if outputs is None else outputs
            if unknown := [output for output in wanted if output >= handover.made]:
                raise field_problem("outputs", f"there is no output {unknown[0]}; it has {handover.made}, from 0")
            if all(map(handover.has_delivered, wanted)):
                return
            if not _is_open(snapshot):
                raise Problem("conflict", "Its outputs can no longer be taken: the rest was refunded and withdrawn.")
            await _deliver(tx, generation.id, handover, wanted, "acknowledged")

    async def note_webhook(self, tx: Transaction, id_: UUID) -> None:
        """The receiver of the request's own webhook has answered: with that it has all outputs, if it is in time."""
        snapshot = await _lock(tx, id_)
        if snapshot is not None and snapshot.handover is not None and _is_open(snapshot):
            await _deliver(tx, id_, snapshot.handover, range(snapshot.handover.made), "webhook")

    async def begin_transfer(self, id_: UUID, output: int) -> Transfer | None:
        """Lets the last piece of an output go out; None where it may not: the handover is closed."""
        async with self._unit.once() as tx:
            snapshot = await _lock(tx, id_)
            if snapshot is None or snapshot.handover is None or not _is_open(snapshot):
                return None
            until = datetime.now(UTC) + timedelta(seconds=TRANSFER_S_MAX)
            transfer = Transfer(id=uuid7(), output=output, until=until)
            await projection_store.save_handover(tx.connection, id_, snapshot.handover.add_transfer(transfer))
            return transfer

    async def end_transfer(
        self, id_: UUID, transfer: Transfer, *, is_sent: bool, how: DeliveryMethod = "fetched"
    ) -> None:
        """The last piece went out, and the output is delivered; or its client had left, or its bucket refused it."""
        async with self._unit.once() as tx:
            snapshot = await _lock(tx, id_)
            if snapshot is None or snapshot.handover is None:
                return
            handover = snapshot.handover.end_transfer(transfer.id)
            if not is_sent or handover.has_delivered(transfer.output):
                await projection_store.save_handover(tx.connection, id_, handover)
            elif handover.is_closed:
                metrics.DELIVERIES_LOST.inc()
                logger.error("output %d of generation %s was sent after its handover was closed", transfer.output, id_)
            else:
                await _deliver(tx, id_, handover, [transfer.output], how)

    async def close(self, tx: Transaction, id_: UUID) -> tuple[OutputDelivery, ...]:
        """Nothing more is delivered, also of outputs that do not exist yet; returns what was. In the transaction that
        cancels the generation. Raises Problem 409 while an output is being sent."""
        delivered = (await self.close_all(tx, [id_])).get(id_)
        if delivered is None:
            raise Problem("conflict", BUSY, headers={"Retry-After": "1"})
        return delivered

    async def close_all(self, tx: Transaction, ids: Collection[UUID]) -> dict[UUID, tuple[OutputDelivery, ...]]:
        """The same for several; those of which an output is being sent are left open, and out. Of an unknown one
        nothing was delivered."""
        found = await projection_store.lock_snapshots(tx.connection, ids)
        now, closed = datetime.now(UTC), dict[UUID, tuple[OutputDelivery, ...]]()
        for id_ in ids:
            handover = (found[id_].handover if id_ in found else None) or Handover()
            if handover.is_sending(now) and not handover.is_closed:
                continue
            if id_ in found and not handover.is_closed:
                await projection_store.save_handover(tx.connection, id_, handover.close())
            closed[id_] = handover.delivered
        return closed


async def _lock(tx: Transaction, id_: UUID) -> Snapshot | None:
    return (await projection_store.lock_snapshots(tx.connection, [id_])).get(id_)


def _is_open(snapshot: Snapshot) -> bool:
    handover = snapshot.handover
    return snapshot.state == "delivering" and handover is not None and handover.is_open(datetime.now(UTC))


async def _deliver(
    tx: Transaction, id_: UUID, handover: Handover, outputs: Collection[int], how: DeliveryMethod
) -> None:
    """Writes down what is delivered now, and asks the session to charge it."""
    after = handover.deliver(outputs, how, datetime.now(UTC))
    new = tuple(delivery for delivery in after.delivered if not handover.has_delivered(delivery.output))
    await projection_store.save_handover(tx.connection, id_, after)
    if new:
        tx.emit(OutputsDelivered(generation_id=id_, delivered=new))
        tx.after_commit(lambda: metrics.DELIVERIES.labels(how).inc(len(new)))
