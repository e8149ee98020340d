"""Builds the billing service; the only place that constructs its parts."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI

from atelier_billing import full_proof, handlers
from atelier_billing.cap_api import cap_router
from atelier_billing.cap_handlers import handle_caps
from atelier_billing.correction_handlers import handle_corrections
from atelier_billing.internal_api import internal_router
from atelier_billing.proof import quote_signatures
from atelier_billing.proof.checkpoint_stores import (
    CheckpointBucket,
    CheckpointFile,
    CheckpointStore,
    CheckpointWebhook,
)
from atelier_billing.proof.internal_api import proof_router
from atelier_billing.proof.issuer import ReceiptIssuer
from atelier_billing.proof.sequencer import LogSequencer
from atelier_billing.proof.signing_keys import SigningKeys, read_keys
from atelier_billing.proof.verification_job import LogVerificationJob
from atelier_billing.quote_api import quote_router
from atelier_billing.reconcile_feed import reconcile_router
from atelier_billing.settings import Settings
from atelier_billing.statement_api import statement_router
from atelier_billing.statements import StatementWriter
from atelier_billing.usage import UsageReader
from atelier_billing.usage_api import usage_router
from atelier_billing.verification import advance_checkpoint
from atelier_contracts.routes import BILLING_CAPS, BILLING_COMMANDS, BILLING_CORRECTIONS
from atelier_messaging import Bus, database, periodic
from atelier_messaging.database import Pool
from atelier_messaging.dead_letter_api import dead_letter_router
from atelier_messaging.release_api import release_router
from atelier_messaging.service_app import create_service_app
from atelier_telemetry import logs, tracing
from atelier_telemetry.operations import PROCESS, Check, operations_router
from atelier_telemetry.shutdown import Shutdown

VERIFICATION_EVERY_S = 10.0
"""Seconds until a verification of the log begins that is due, or that another process left is continued."""
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
        pool = await database.open_pool(settings.billing_database_url, settings)
        bus = Bus("billing", settings, pool)
        read_quote = partial(quote_signatures.read, keys.public)
        bus.consume(BILLING_COMMANDS, partial(handlers.handle_commands, read_quote=read_quote), late_claim=True)
        bus.consume(BILLING_CORRECTIONS, handle_corrections)
        bus.consume(BILLING_CAPS, handle_caps)
        await bus.start()
        issuer = ReceiptIssuer(pool, keys, settings.log_origin)
        sequencer = _build_sequencer(settings, pool, issuer, keys)
        verification = LogVerificationJob(
            pool, keys.public, sequencer.open_outside, every_s=settings.log_verify_every_s
        )
        _start_background_tasks(settings, bus, pool, sequencer, verification)
        checks: dict[str, Check] = {
            PROCESS: shutdown.has_not_begun,
            "broker": bus.ready,
            "database": partial(database.ping, pool),
        }
        app.include_router(operations_router(checks))
        app.include_router(internal_router(pool, settings.service_token))
        app.include_router(dead_letter_router(bus.dead_letters, settings.service_token))
        app.include_router(cap_router(pool, settings.service_token))
        app.include_router(quote_router(keys, settings.service_token))
        app.include_router(reconcile_router(pool, settings.service_token))
        _include_reports(app, settings, pool, issuer, keys)
        app.include_router(proof_router(pool, issuer, keys, sequencer, verification, settings.service_token))
        yield
        await bus.stop()
        await pool.close()
        spans.shutdown()

    return create_service_app("Atelier billing", lifespan)


def _include_reports(app: FastAPI, settings: Settings, pool: Pool, issuer: ReceiptIssuer, keys: SigningKeys) -> None:
    writer = StatementWriter(pool, issuer, keys, UsageReader(pool), settings.log_origin)
    app.include_router(release_router("billing", pool, settings.service_token))
    app.include_router(usage_router(writer.usage, settings.service_token))
    app.include_router(statement_router(writer, settings.service_token))


def _build_sequencer(settings: Settings, pool: database.Pool, issuer: ReceiptIssuer, keys: SigningKeys) -> LogSequencer:
    return LogSequencer(
        pool,
        issuer,
        keys,
        settings.log_origin,
        stores=_checkpoint_stores(settings),
        checkpoint_every_s=settings.log_checkpoint_every_s,
    )


def _checkpoint_stores(settings: Settings) -> list[CheckpointStore]:
    stores: list[CheckpointStore] = []
    if settings.log_checkpoint_file:
        stores.append(CheckpointFile(settings.log_checkpoint_file))
    if settings.log_store:
        stores.append(CheckpointBucket(settings.log_store, settings.log_origin, lock_days=settings.log_s3_lock_days))
    if settings.log_checkpoint_url:
        stores.append(CheckpointWebhook(str(settings.log_checkpoint_url)))
    return stores


def _start_background_tasks(
    settings: Settings, bus: Bus, pool: database.Pool, sequencer: LogSequencer, verification: LogVerificationJob
) -> None:
    periodic_tasks: tuple[tuple[str, float, Callable[[], Awaitable[object]]], ...] = (
        ("grant expiry", settings.billing_expire_every_s, partial(handlers.expire_grants, bus.unit)),
        ("checkpoint", settings.billing_checkpoint_every_s, partial(advance_checkpoint, bus.unit)),
        ("full proof", PROOF_EVERY_S, partial(full_proof.continue_proof, pool)),
        ("log", settings.billing_issue_every_s, sequencer.run_once),
        ("log verification", VERIFICATION_EVERY_S, verification.work),
    )
    for name, every_s, act in periodic_tasks:
        bus.run_in_background(periodic.run_every(name, every_s, act), name)
