"""Handlers of render's commands: load, decide, save, emit. The scheduler does the rendering."""

from collections.abc import Sequence
from functools import partial
from typing import cast

from atelier_contracts import (
    ArtefactsExpired,
    CancelRender,
    DiscardRender,
    GenerationDeleted,
    RenderFailed,
    RequestRender,
)
from atelier_messaging import Delivery, Transaction
from atelier_messaging.database import Connection
from atelier_render import store
from atelier_render.execution.scheduler import CANCELLED, Scheduler
from atelier_render.jobs import NewJob, lane_of
from atelier_render.outputs.garbage_collector import GarbageCollector
from atelier_storage.keys import is_input, is_upload
from atelier_telemetry import metrics
from atelier_telemetry.tracing import traceparent_of


async def handle_commands(
    tx: Transaction, *, scheduler: Scheduler, collector: GarbageCollector, simulator: bool
) -> None:
    """Queue ``render.commands``. A cancelled job is answered here if it ends by this; a running one is answered by its
    worker, a finished one already was. Results of deleted generations are removed, and those that are not
    delivered."""
    if await _let_go(tx):
        tx.after_commit(collector.wake)
    jobs = [new_job(d, simulator=simulator) for d in tx.fresh if isinstance(d.message, RequestRender)]
    cancels = {d.message.subject: d for d in tx.fresh if isinstance(d.message, CancelRender)}
    if cancels:
        for generation_id in await store.change_queues(await tx.begin(), jobs, cancels.keys(), CANCELLED):
            event = RenderFailed(generation_id=generation_id, code="cancelled", reason=CANCELLED)
            tx.emit(event, cause=cancels[generation_id])
    elif jobs:
        store.write_jobs(tx, jobs)
    await _tell_again(tx)
    tx.after_commit(partial(scheduler.wake, {job.lane for job in jobs}))
    if cancels:
        tx.after_commit(scheduler.check_cancels_now)


async def _tell_again(tx: Transaction) -> None:
    """Answers a repeated request again: the first answer may be lost."""
    again = {d.message.subject: d for d in tx.fresh if isinstance(d.message, RequestRender) and d.message.again}
    for event in await store.tell_again(await tx.begin(), again) if again else ():
        tx.emit(event, cause=again[event.generation_id])


async def _let_go(tx: Transaction) -> bool:
    """Removes results that are deleted or came too late, and their requests; whether there were any.

    Before the queues change: jobs are locked before tenants.
    """
    deleted = {d.message.subject for d in tx.fresh if isinstance(d.message, GenerationDeleted)}
    discards = [d.message for d in tx.fresh if isinstance(d.message, DiscardRender)]
    if not deleted and not discards:
        return False
    connection = await tx.begin()
    whole = {message.subject for message in discards if not message.kept}
    await store.forget_requests(connection, deleted | whole)
    await store.retire_results(connection, deleted, "requested")
    named = [key for d in tx.fresh if isinstance(d.message, GenerationDeleted) for key in d.message.inputs]
    await store.schedule_input_deletion(connection, [key for key in named if is_input(key) or is_upload(key)])
    metrics.DISCARDED.inc(await _discard(connection, [each for each in discards if each.cause != "delivered"]))
    delivered = [message.generation_id for message in discards if message.cause == "delivered"]
    await store.retire_results(connection, delivered, "delivered")
    for generation_id in delivered:
        tx.emit(ArtefactsExpired(generation_id=generation_id))
    return True


async def _discard(connection: Connection, discards: Sequence[DiscardRender]) -> int:
    """Removes the outputs of these generations, or those of them that are not kept; answers how many."""
    outputs = 0
    causes: tuple[store.Reason, ...] = ("late", "undelivered")
    for cause in causes:
        if ids := {message.subject for message in discards if message.cause == cause and not message.kept}:
            outputs += await store.retire_results(connection, ids, cause)
    for message in discards:
        if message.kept:
            outputs += await store.withdraw_outputs(connection, message.generation_id, message.kept)
    return outputs


def new_job(delivery: Delivery, *, simulator: bool) -> NewJob:
    """The job that a request asks for; its trace goes on from the delivery's span."""
    message = cast(RequestRender, delivery.message)
    return NewJob(
        generation_id=message.generation_id,
        owner=message.owner,
        spec=message.spec,
        lane=lane_of(message.owner, message.spec, simulator=simulator),
        deadline_at=message.deadline_at,
        traceparent=traceparent_of(delivery.span),
    )
