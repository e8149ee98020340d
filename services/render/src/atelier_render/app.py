"""Puts render together; decides nothing."""

import logging
import os
import secrets
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI

from atelier_contracts.routes import RENDER_COMMANDS
from atelier_contracts.value_objects import N_MAX
from atelier_contracts.word_filter import BannedWords
from atelier_imaging.pool import ImageWorkers
from atelier_messaging import Bus, database, periodic
from atelier_messaging.database import Pool
from atelier_messaging.dead_letter_api import dead_letter_router
from atelier_messaging.release_api import release_router
from atelier_messaging.service_app import create_service_app
from atelier_render import provider_factory
from atelier_render.cost_report import EXPOSURE_EVERY_S, ExposureGauge, cost_router
from atelier_render.eta.estimator import EXCHANGE_EVERY_S, EtaEstimator
from atelier_render.eta.queue_position import QueuePositions
from atelier_render.execution.completions import Completions
from atelier_render.execution.input_normaliser import InputNormaliser
from atelier_render.execution.inputs import INPUT_BYTES_MAX, Inputs
from atelier_render.execution.previews import Previews
from atelier_render.execution.progress import TELL_EVERY_S, Progress
from atelier_render.execution.scheduler import BEATS_A_LEASE, Scheduler
from atelier_render.execution.worker import Worker
from atelier_render.handlers import handle_commands
from atelier_render.internal_api import internal_router, queue_positions_router
from atelier_render.moderation.http import HttpModerator
from atelier_render.moderation.moderators import BannedWordsModerator, ContentModeration, Moderator
from atelier_render.outputs.analysis import OutputAnalyser
from atelier_render.outputs.artefact_writer import ArtefactWriter
from atelier_render.outputs.garbage_collector import EXPIRE_EVERY_S, PRUNE_EVERY_S, GarbageCollector
from atelier_render.outputs.result_cache import ResultCache
from atelier_render.outputs.spool import Spool
from atelier_render.provenance.identity import ensure_identity, make_identity, read_identity
from atelier_render.provenance.marker import Marker
from atelier_render.provider_calls.breaker_overrides import REFRESH_EVERY_S, BreakerOverrides
from atelier_render.provider_calls.caller import ProviderCaller
from atelier_render.provider_calls.concurrency_gate import CALLS_MAX, ProviderGate
from atelier_render.provider_calls.retry_policy import RetryPolicy
from atelier_render.provider_calls.submission_log import SubmissionLog
from atelier_render.provider_report import provider_router
from atelier_render.providers.openai.declaration import OPENAI
from atelier_render.providers.protocol import Provider
from atelier_render.providers.simulator import Simulator
from atelier_render.providers.worker_http.callbacks import callbacks_router
from atelier_render.reconcile_feed import reconcile_router
from atelier_render.settings import Settings
from atelier_storage.objects import ObjectStore
from atelier_storage.safe_fetcher import SafeFetcher
from atelier_telemetry import logs, tracing
from atelier_telemetry.operations import PROCESS, Check, operations_router
from atelier_telemetry.shutdown import Shutdown

logger = logging.getLogger(__name__)


def create_app(settings: Settings, stop: Shutdown | None = None) -> FastAPI:
    """The service as an ASGI application; connects when it starts, gives its jobs back when it stops."""
    shutdown = stop or Shutdown()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        logs.configure("render", settings)
        spans = tracing.configure("render", settings)
        pool = await database.open_pool(settings.render_database_url, settings)
        bus = Bus("render", settings, pool)
        checks: dict[str, Check] = {
            PROCESS: shutdown.has_not_begun,
            "broker": bus.ready,
            "database": partial(database.ping, pool),
        }
        progress, gates = Progress(bus.unit), dict[str, ProviderGate]()
        async with _scheduler(settings, bus, pool, progress, gates) as (scheduler, objects, providers, eta_estimator):
            collector, simulator = _collector(settings, bus, objects), settings.simulator == "on"
            handle = partial(handle_commands, scheduler=scheduler, collector=collector, simulator=simulator)
            bus.consume(RENDER_COMMANDS, handle, late_claim=True)
            await bus.start()
            _run_scheduler(settings, bus, scheduler)
            _keep_collecting(settings, bus, collector)
            _keep_measuring(settings, bus, progress, eta_estimator)
            overrides = await _keep_overrides(bus, pool, gates)
            slots, cap, token = settings.render_concurrency, settings.render_tenant_slots_max, settings.service_token
            positions = QueuePositions(pool, eta_estimator, slots=slots, cap=cap)
            app.include_router(operations_router(checks | {"storage": objects.ready}))
            app.include_router(internal_router(pool, token, providers))
            app.include_router(dead_letter_router(bus.dead_letters, token))
            app.include_router(queue_positions_router(positions, token))
            app.include_router(provider_router(pool, token, providers, overrides))
            _include_reports(app, settings, pool, objects)
            if settings.render_callback_url:
                app.include_router(callbacks_router(provider_factory.callback_listeners(providers)))
            yield
            await scheduler.stop()
            await bus.stop()
        await pool.close()
        spans.shutdown()

    return create_service_app("Atelier render", lifespan)


async def _keep_overrides(bus: Bus, pool: Pool, gates: dict[str, ProviderGate]) -> BreakerOverrides:
    overrides = BreakerOverrides(pool, gates)
    await overrides.refresh()
    bus.run_in_background(periodic.run_every("overrides", REFRESH_EVERY_S, overrides.refresh), "overrides")
    return overrides


def _include_reports(app: FastAPI, settings: Settings, pool: database.Pool, objects: ObjectStore) -> None:
    token, costs, kept = settings.service_token, settings.cost_table, settings.render_jobs_keep_days
    app.include_router(reconcile_router(pool, token, objects, costs, jobs_keep_days=kept))
    app.include_router(cost_router(pool, token, costs))
    app.include_router(release_router("render", pool, token))


def _run_scheduler(settings: Settings, bus: Bus, scheduler: Scheduler) -> None:
    bus.run_in_background(scheduler.run_lane("paced"), "paced jobs")
    bus.run_in_background(scheduler.run_lane("instant"), "instant jobs")
    bus.run_in_background(scheduler.renew_leases_forever(), "heartbeats")
    every_s = settings.render_lease_s / BEATS_A_LEASE
    bus.run_in_background(periodic.run_every("lost leases", every_s, scheduler.release_lost_leases), "lost leases")


def _collector(settings: Settings, bus: Bus, objects: ObjectStore) -> GarbageCollector:
    return GarbageCollector(
        bus.unit,
        objects,
        retention_days=settings.render_retention_days,
        jobs_keep_days=settings.render_jobs_keep_days,
        grace_s=settings.render_sweep_grace_s,
    )


def _keep_collecting(settings: Settings, bus: Bus, collector: GarbageCollector) -> None:
    bus.run_in_background(collector.collect_forever(), "doomed objects")
    bus.run_in_background(periodic.run_every("retention", EXPIRE_EVERY_S, collector.expire), "retention")
    if settings.render_jobs_keep_days:
        bus.run_in_background(periodic.run_every("job prune", PRUNE_EVERY_S, collector.prune), "job prune")
    if settings.render_sweep_every_s:
        bus.run_in_background(periodic.run_every("sweep", settings.render_sweep_every_s, collector.sweep), "sweep")


def _keep_measuring(settings: Settings, bus: Bus, progress: Progress, eta_estimator: EtaEstimator) -> None:
    bus.run_in_background(periodic.run_every("progress", TELL_EVERY_S, progress.tell), "progress")
    bus.run_in_background(periodic.run_every("durations", EXCHANGE_EVERY_S, eta_estimator.exchange), "durations")
    if settings.cost_table is not None:
        gauge = ExposureGauge(bus.unit.pool)
        bus.run_in_background(periodic.run_every("exposure", EXPOSURE_EVERY_S, gauge.measure), "exposure")


@asynccontextmanager
async def _scheduler(
    settings: Settings, bus: Bus, pool: Pool, progress: Progress, gates: dict[str, ProviderGate]
) -> AsyncIterator[tuple[Scheduler, ObjectStore, Sequence[Provider], EtaEstimator]]:
    objects = ObjectStore(settings.storage)
    fetcher = SafeFetcher(max_bytes=INPUT_BYTES_MAX)
    # Every slot's pictures may wait at once: slots are what bounds the work, not this queue.
    images = ImageWorkers(workers=settings.render_image_workers, waiting_max=settings.render_concurrency * N_MAX)
    spool = Spool(settings.render_spool_dir)
    owner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    artefacts = ArtefactWriter(objects, spool, pool)
    simulator = Simulator(images, attempt_s=settings.render_attempt_s)
    inputs = Inputs(objects, fetcher)
    providers = provider_factory.create_providers(settings, images)
    rules = _content_rules(settings)
    reuse = ResultCache(objects, pool, days_max=settings.render_retention_days)
    marker = _marker(settings)
    worker = Worker(
        providers,
        simulator,
        _caller(settings, pool, providers, owner, gates),
        rules,
        inputs,
        InputNormaliser(images),
        artefacts,
        reuse,
        OutputAnalyser(images.analyse),
        progress,
        Previews(objects, pool, marker),
        marker,
        simulates=settings.simulator == "on",
    )
    completions = Completions(bus.unit, artefacts, owner=owner)
    eta_estimator = EtaEstimator(pool, providers, simulator)
    lease_s, slots, cap = settings.render_lease_s, settings.render_concurrency, settings.render_tenant_slots_max
    scheduler = Scheduler(
        bus.unit, worker, completions, eta_estimator, owner=owner, lease_s=lease_s, slots=slots, tenant_slots_max=cap
    )
    yield scheduler, objects, providers, eta_estimator
    await rules.close()
    await provider_factory.close_providers(providers)
    await images.close()
    spool.close()
    if marker is not None:
        marker.close()
    fetcher.close()
    objects.close()


def _marker(settings: Settings) -> Marker | None:
    if settings.provenance == "off":
        logger.warning("provenance marks are off: outputs do not say that they are synthetic")
        return None
    file = settings.provenance_file
    if file is None:
        logger.warning("provenance: ATELIER_PROVENANCE_FILE is not set, outputs are signed by a key of this process")
        return Marker(make_identity())
    if settings.environment == "production":
        return Marker(read_identity(file))
    try:
        return Marker(ensure_identity(file))
    except OSError as error:
        logger.warning(
            "creating provenance file %s failed, outputs are signed by a key of this process: %s", file, error
        )
        return Marker(make_identity())


def _caller(
    settings: Settings, pool: Pool, providers: Sequence[Provider], owner: str, gates: dict[str, ProviderGate]
) -> ProviderCaller:
    calls_max = settings.render_provider_calls
    remote = [provider.name for provider in providers if provider.capabilities.remote]
    gates |= {name: ProviderGate(name, calls_max=calls_max.get(name, CALLS_MAX)) for name in remote}
    rules = RetryPolicy(
        tries_max=settings.render_provider_tries,
        retry_after_s_max=settings.render_retry_after_max_s,
        reconcile_s=settings.reconcile_s,
    )
    log = SubmissionLog(pool, owner=owner, costs=settings.cost_table)
    return ProviderCaller(providers, gates, log, rules)


def _content_rules(settings: Settings) -> ContentModeration:
    moderators: list[Moderator] = []
    if banned := BannedWords.from_list(settings.content_banned_words, whole=True):
        moderators.append(BannedWordsModerator(banned))
    if settings.moderation_url:
        url, token = str(settings.moderation_url), settings.moderation_token
        moderators.append(HttpModerator(url, token, timeout_s=settings.moderation_timeout_s))
    if settings.moderation_openai == "on":
        moderators.append(_openai_moderator(settings))
    return ContentModeration(moderators, when_away=settings.moderation_when_away)


def _openai_moderator(settings: Settings) -> Moderator:
    # Only here: the SDK takes most of a second to load.
    from atelier_render.moderation.openai import OpenAIModerator

    account = settings.of_provider(OPENAI)
    assert account.api_key, "the settings say so"
    key = account.api_key.get_secret_value()
    return OpenAIModerator(key, base_url=account.url, timeout_s=settings.moderation_timeout_s)
