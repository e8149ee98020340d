"""Builds the billing service; the only place that constructs its parts."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI

from atelier_billing import full_proof, handlers
from atelier_billing.correction_handlers import handle_corrections
from atelier_billing.internal_api import internal_router
from atelier_billing.proof.internal_api import proof_router
from atelier_billing.proof.issuer import ReceiptIssuer
from atelier_billing.proof.sequencer import LogSequencer
from atelier_billing.proof.signing_keys import SigningKeys, read_keys
from atelier_billing.reconcile_feed import reconcile_router
from atelier_billing.settings import Settings
from atelier_billing.verification import advance_checkpoint
from atelier_contracts.routes import BILLING_COMMANDS, BILLING_CORRECTIONS
from atelier_messaging import Bus, database, periodic
from atelier_telemetry import logs, tracing
from atelier_telemetry.operations import ONE_SPAN_A_REQUEST, PROCESS, Check, operations_router
from atelier_telemetry.shutdown import Shutdown

PROOF_EVERY_S = 2.0
"""Seconds until a requested full proof begins, or one that another process left is continued."""


def create_app(settings: Settings, stop: Shutdown | None = None) -> FastAPI:
    """The service as an ASGI application; connects when it starts, disconnects when it stops."""

    shutdown = stop or Shutdown()
    keys = read_keys(settings.signing_keys_file)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        logs.configure("billing", settings)
        spans = tracing.configure("billing", settings)
        url, statements = settings.billing_database_url.get_secret_value(), settings.database_statement_cache
        pool = await database.connect(url, statement_cache=statements)
        bus = Bus("billing", settings, pool)
        bus.consume(BILLING_COMMANDS, handlers.handle_commands, late_claim=True)
        bus.consume(BILLING_CORRECTIONS, handle_corrections)
        await bus.start()
        issuer = ReceiptIssuer(pool, keys, settings.log_origin)
        sequencer = _build_sequencer(settings, pool, issuer, keys)
        _start_background_tasks(settings, bus, pool, sequencer)
        checks: dict[str, Check] = {
            PROCESS: shutdown.has_not_begun,
            "broker": bus.ready,
            "database": partial(database.ping, pool),
        }
        app.include_router(operations_router(checks))
        app.include_router(internal_router(pool, settings.service_token))
        app.include_router(reconcile_router(pool, settings.service_token))
        app.include_router(proof_router(pool, issuer, keys, sequencer, settings.service_token))
        yield
        await bus.stop()
        await pool.close()
        spans.shutdown()

    return FastAPI(
        title="Atelier billing",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        telemetry=ONE_SPAN_A_REQUEST,
    )


def _build_sequencer(settings: Settings, pool: database.Pool, issuer: ReceiptIssuer, keys: SigningKeys) -> LogSequencer:
    return LogSequencer(
        pool,
        issuer,
        keys,
        settings.log_origin,
        checkpoint_file=settings.log_checkpoint_file,
        checkpoint_every_s=settings.log_checkpoint_every_s,
    )


def _start_background_tasks(settings: Settings, bus: Bus, pool: database.Pool, sequencer: LogSequencer) -> None:
    periodic_tasks: tuple[tuple[str, float, Callable[[], Awaitable[object]]], ...] = (
        ("grant expiry", settings.billing_expire_every_s, partial(handlers.expire_grants, bus.unit)),
        ("checkpoint", settings.billing_checkpoint_every_s, partial(advance_checkpoint, bus.unit)),
        ("full proof", PROOF_EVERY_S, partial(full_proof.continue_proof, pool)),
        ("log", settings.billing_issue_every_s, sequencer.run_once),
    )
    for name, every_s, act in periodic_tasks:
        bus.run_in_background(periodic.run_every(name, every_s, act), name)
