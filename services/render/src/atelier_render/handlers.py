"""What render does with the commands it hears: load, decide, save, emit. Work itself is the scheduler's."""

from collections.abc import Sequence

from atelier_contracts import CancelRender, RenderFailed, RequestRender
from atelier_messaging import Delivery, Work
from atelier_render import store
from atelier_render.jobs import NewJob, lane_of
from atelier_render.scheduler import CANCELLED, Scheduler
from atelier_telemetry.tracing import traceparent_of


async def handle_commands(work: Work, *, scheduler: Scheduler, simulator: bool) -> None:
    """Queue ``render.commands``. Requests first: a cancel of the same batch then finds its job."""
    jobs = [
        new_job(d.message, traceparent_of(d.span), simulator=simulator)
        for d in work.fresh
        if isinstance(d.message, RequestRender)
    ]
    if jobs:
        await store.queue_jobs(work.connection, jobs)
        scheduler.wake({job.lane for job in jobs})
    cancels = [delivery for delivery in work.fresh if isinstance(delivery.message, CancelRender)]
    if cancels:
        await cancel_renders(work, cancels)
        scheduler.look_for_cancels()


async def cancel_renders(work: Work, cancels: Sequence[Delivery]) -> None:
    """Answers for the jobs that end by this; a running one is answered by its worker, a finished one already was."""
    causes = {delivery.message.subject: delivery for delivery in cancels}
    for generation_id in await store.cancel_jobs(work.connection, list(causes), CANCELLED):
        event = RenderFailed(generation_id=generation_id, code="cancelled", reason=CANCELLED)
        work.emit(event, cause=causes[generation_id])


def new_job(message: RequestRender, traceparent: str | None, *, simulator: bool) -> NewJob:
    """The job that a request asks for."""
    return NewJob(
        generation_id=message.generation_id,
        owner=message.owner,
        spec=message.spec,
        lane=lane_of(message.spec, simulator=simulator),
        deadline_at=message.deadline_at,
        traceparent=traceparent,
    )
