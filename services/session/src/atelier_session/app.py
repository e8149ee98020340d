"""Builds the session service; the only place that constructs its parts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI

from atelier_contracts.routes import SESSION_SAGA
from atelier_messaging import Bus, database, periodic
from atelier_session import store
from atelier_session.handlers import Handlers
from atelier_session.holds import Holds
from atelier_session.internal_api import internal_router
from atelier_session.reconcile.api import reconcile_router
from atelier_session.reconcile.feeds import Feeds
from atelier_session.reconcile.reconciler import Reconciler, Schedule
from atelier_session.settings import Settings
from atelier_telemetry import logs, metrics, tracing
from atelier_telemetry.operations import ONE_SPAN_A_REQUEST, PROCESS, Check, operations_router
from atelier_telemetry.shutdown import Shutdown

OLDEST_EVERY_S = 15.0
RECONCILE_EVERY_S = 2.0
"""Seconds until a requested reconciliation begins, or one that another process left is continued."""


async def observe_oldest(pool: database.Pool) -> None:
    """Sets the gauge of the oldest open saga's age in seconds."""
    metrics.OLDEST_OPEN.labels("saga").set(await store.oldest_open_s(pool))


def create_app(settings: Settings, stop: Shutdown | None = None) -> FastAPI:
    """The service as an ASGI application; connects when it starts, disconnects when it stops."""

    shutdown = stop or Shutdown()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        logs.configure("session", settings)
        spans = tracing.configure("session", settings)
        url, statements = settings.session_database_url.get_secret_value(), settings.database_statement_cache
        pool = await database.connect(url, statement_cache=statements)
        bus = Bus("session", settings, pool)
        holds = Holds(settings.billing_url, settings.service_token)
        handlers = Handlers(settings, holds)
        bus.consume(SESSION_SAGA, handlers.handle_saga, late_claim=True)
        await bus.start()
        timers = partial(handlers.fire_timers, bus.unit)
        bus.run_in_background(periodic.run_every("saga timers", settings.session_timer_every_s, timers), "saga timers")
        observe = partial(observe_oldest, pool)
        bus.run_in_background(periodic.run_every("oldest saga", OLDEST_EVERY_S, observe), "oldest saga")
        feeds = Feeds(settings.billing_url, settings.render_url, settings.operations_url, settings.service_token)
        reconciler = Reconciler(bus.unit, feeds, _schedule(settings))
        bus.run_in_background(
            periodic.run_every("reconciliation", RECONCILE_EVERY_S, reconciler.work), "reconciliation"
        )
        checks: dict[str, Check] = {
            PROCESS: shutdown.has_not_begun,
            "broker": bus.ready,
            "database": partial(database.ping, pool),
        }
        app.include_router(operations_router(checks))
        app.include_router(internal_router(bus.unit, settings.service_token, holds))
        app.include_router(reconcile_router(pool, settings.service_token, reconciler))
        yield
        await bus.stop()
        await feeds.close()
        await holds.close()
        await pool.close()
        spans.shutdown()

    return FastAPI(
        title="Atelier session",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        telemetry=ONE_SPAN_A_REQUEST,
    )


def _schedule(settings: Settings) -> Schedule:
    return Schedule(
        recent_every_s=settings.reconcile_every_s,
        full_every_s=settings.reconcile_full_every_s,
        bytes_every_s=settings.reconcile_bytes_every_s,
        recent_s=settings.reconcile_recent_s,
        settle_s=settings.reconcile_settle_s,
    )
