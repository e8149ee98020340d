"""Builds the session service; the only place that constructs its parts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI

from atelier_contracts.routes import SESSION_SAGA
from atelier_messaging import Bus, database, periodic
from atelier_messaging.dead_letter_api import dead_letter_router
from atelier_messaging.release_api import release_router
from atelier_messaging.service_app import create_service_app
from atelier_session import retention
from atelier_session.discards import CHECK_EVERY_S, DiscardCheck
from atelier_session.handlers import Handlers
from atelier_session.handovers import Handovers
from atelier_session.holds import Holds
from atelier_session.internal_api import internal_router
from atelier_session.open_sagas import observe_open
from atelier_session.reconcile.api import reconcile_router
from atelier_session.reconcile.feeds import Feeds
from atelier_session.reconcile.reconciler import Reconciler, Schedule
from atelier_session.render_outputs import RenderOutputs
from atelier_session.settings import Settings
from atelier_telemetry import logs, tracing
from atelier_telemetry.operations import PROCESS, Check, operations_router
from atelier_telemetry.shutdown import Shutdown

OBSERVE_EVERY_S = 15.0
PRUNE_EVERY_S = 600.0
RECONCILE_EVERY_S = 2.0
"""Seconds until a requested reconciliation begins, or one that another process left is continued."""


def create_app(settings: Settings, stop: Shutdown | None = None) -> FastAPI:
    """The service as an ASGI application; connects when it starts, disconnects when it stops."""

    shutdown = stop or Shutdown()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        logs.configure("session", settings)
        spans = tracing.configure("session", settings)
        pool = await database.open_pool(settings.session_database_url, settings)
        bus = Bus("session", settings, pool)
        holds = Holds(settings.billing_url, settings.service_token)
        handovers = Handovers(settings.operations_url, settings.service_token)
        handlers = Handlers(settings, holds, handovers)
        bus.consume(SESSION_SAGA, handlers.handle_saga, late_claim=True)
        await bus.start()
        timers = partial(handlers.fire_timers, bus.unit)
        bus.run_in_background(periodic.run_every("saga timers", settings.session_timer_every_s, timers), "saga timers")
        outputs = _check_discards(settings, bus)
        observe = partial(observe_open, pool)
        bus.run_in_background(periodic.run_every("open sagas", OBSERVE_EVERY_S, observe), "open sagas")
        prune = partial(retention.prune, pool, log_days=settings.session_log_keep_days)
        bus.run_in_background(periodic.run_every("saga prune", PRUNE_EVERY_S, prune), "saga prune")
        feeds = Feeds(settings.billing_url, settings.render_url, settings.operations_url, settings.service_token)
        reconciler = Reconciler(bus.unit, feeds, _schedule(settings))
        bus.run_in_background(
            periodic.run_every("reconciliation", RECONCILE_EVERY_S, reconciler.work), "reconciliation"
        )
        checks: dict[str, Check] = {PROCESS: shutdown.has_not_begun, "broker": bus.ready}
        checks["database"] = partial(database.ping, pool)
        app.include_router(operations_router(checks))
        app.include_router(internal_router(bus.unit, settings.service_token, holds))
        app.include_router(dead_letter_router(bus.dead_letters, settings.service_token))
        app.include_router(release_router("session", pool, settings.service_token))
        app.include_router(reconcile_router(pool, settings.service_token, reconciler))
        yield
        await bus.stop()
        for client in (feeds, holds, handovers, outputs):
            await client.close()
        await pool.close()
        spans.shutdown()

    return create_service_app("Atelier session", lifespan)


def _check_discards(settings: Settings, bus: Bus) -> RenderOutputs:
    outputs = RenderOutputs(settings.render_url, settings.service_token)
    discards = DiscardCheck(bus.unit, outputs, after_s=settings.session_resend_s)
    bus.run_in_background(periodic.run_every("discards", CHECK_EVERY_S, discards.check), "discards")
    return outputs


def _schedule(settings: Settings) -> Schedule:
    return Schedule(
        recent_every_s=settings.reconcile_every_s,
        full_every_s=settings.reconcile_full_every_s,
        bytes_every_s=settings.reconcile_bytes_every_s,
        recent_s=settings.reconcile_recent_s,
        settle_s=settings.reconcile_settle_s,
        share=settings.reconcile_share,
    )
