"""Puts the gateway together; decides nothing."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from uuid_utils.compat import uuid7

from atelier_contracts.routes import GATEWAY_PROJECTION, reply_key
from atelier_gateway import handlers, pages
from atelier_gateway.container import Container
from atelier_gateway.generations import undelivered_results
from atelier_gateway.generations.admission import Admission
from atelier_gateway.generations.balance_check import BalanceCheck
from atelier_gateway.generations.cancellation import GenerationCanceller
from atelier_gateway.generations.capacity import Capacity
from atelier_gateway.generations.client_disconnects import ClientDisconnects
from atelier_gateway.generations.creation import GenerationCreator
from atelier_gateway.generations.deletion import GenerationDeleter
from atelier_gateway.generations.projector import Projector
from atelier_gateway.generations.provider_catalogue import ProviderCatalogue
from atelier_gateway.generations.recovery import ProjectionRecovery
from atelier_gateway.idempotency import store as idempotency_store
from atelier_gateway.idempotency.runner import IdempotentRunner
from atelier_gateway.identity.authenticator import Authenticator
from atelier_gateway.identity.last_use import FLUSH_EVERY_S
from atelier_gateway.identity.operators import OperatorAuthenticator
from atelier_gateway.identity.tokens import OUTSIDE_ALGORITHMS, DevelopmentIssuer, Issuer, Jwks
from atelier_gateway.listeners import Listeners
from atelier_gateway.media.fair_turns import FairTurns
from atelier_gateway.media.input_references import InputResolver
from atelier_gateway.media.intake import MediaIntake
from atelier_gateway.media.uploads import SWEEP_EVERY_S, Uploads
from atelier_gateway.middleware.failed_logins import FailedLogins
from atelier_gateway.middleware.request_guard import RequestGuard
from atelier_gateway.peers.client import PeerClient
from atelier_gateway.peers.reply_listener import ReplyListener
from atelier_gateway.projection import event_log
from atelier_gateway.projection.reader import GenerationReader
from atelier_gateway.projection.waiter import POLL_EVERY_S, GenerationWaiter
from atelier_gateway.rate_limits import hourly_quota, postgres_windows
from atelier_gateway.rate_limits.backends import open_windows
from atelier_gateway.rate_limits.limiter import RateLimiter
from atelier_gateway.reconcile_feed import reconcile_router
from atelier_gateway.settings import Settings
from atelier_gateway.subscriptions.publisher import SubscriptionPublisher
from atelier_gateway.surfaces import DIRECT, LARGER_BODIES, OPERATIONS, PUBLIC, shape_of, surface_of
from atelier_gateway.surfaces.native.responses import generation_view
from atelier_gateway.surfaces.openapi import DocumentedFastAPI
from atelier_gateway.surfaces.openapi_headers import ANSWER_HEADERS
from atelier_gateway.surfaces.webhooks.openapi_webhooks import describe
from atelier_gateway.web import client_ip as clients
from atelier_gateway.web.cors import allow_origins
from atelier_gateway.web.direct_routes import DirectAnswers
from atelier_gateway.web.problems import Problem, problem_for_status
from atelier_gateway.webhooks import delivery_store
from atelier_gateway.webhooks.dispatcher import DispatchPolicy, WebhookDispatcher
from atelier_gateway.webhooks.enqueuer import DeliveryEnqueuer
from atelier_gateway.webhooks.payloads import DeferredSigner
from atelier_gateway.webhooks.receiver_urls import ReceiverPolicy
from atelier_gateway.webhooks.retry_policy import parse_retry_delays
from atelier_gateway.webhooks.signing import SigningSecrets
from atelier_imaging import ImageWorkers
from atelier_messaging import Bus, database, periodic
from atelier_messaging.database import Pool
from atelier_messaging.publisher import Publisher
from atelier_storage.objects import ObjectStore
from atelier_storage.safe_poster import SafePoster
from atelier_storage.upload_identity import UploadIdentity
from atelier_telemetry import logs, tracing
from atelier_telemetry.operations import ONE_SPAN_A_REQUEST, PROCESS, Check, health_router, operations_router
from atelier_telemetry.shutdown import Shutdown

PRUNE_EVERY_S = 600.0
IMAGE_WORKERS = 2
OWNER_PROBES_MAX = 1
"""Pictures of one owner that are decoded at once: the other workers are for other owners."""


def create_app(settings: Settings, stop: Shutdown | None = None) -> Listeners:
    """The service as an ASGI application; connects when it starts, disconnects when it stops."""
    operations = _listener(settings, title="Atelier operations", servers=[{"url": "/"}])
    shutdown = stop or Shutdown()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        logs.configure("gateway", settings)
        spans = tracing.configure("gateway", settings, is_public=True)
        url, statements = settings.gateway_database_url.get_secret_value(), settings.database_statement_cache
        container = _build_container(settings, await database.connect(url, statement_cache=statements))
        app.state.container = operations.state.container = container
        await container.uploads.prove_at_start()
        await container.bus.start()
        first_token = settings.admin_token.get_secret_value() if settings.admin_token else None
        await container.operator_authenticator.set_first(first_token)
        await container.subscriptions.start(container.bus, kept_days=settings.public_events_kept_days)
        _start_background_tasks(container)
        shutdown.call_when_waits_end(container.waiter.stop)
        checks: dict[str, Check] = {
            PROCESS: shutdown.has_not_begun,
            "broker": container.bus.ready,
            "database": partial(database.ping, container.pool),
            "storage": container.objects.ready,
        }
        app.include_router(health_router(checks, name_parts=False))
        operations.include_router(operations_router(checks))
        operations.include_router(reconcile_router(container.pool, settings.service_token))
        add_surfaces(public, operations, container)
        yield
        await _close(container)
        spans.shutdown()

    public = _listener(settings, title="Atelier", servers=[{"url": settings.public_root}], lifespan=lifespan)
    allow_origins(public, settings.origins, exposed=ANSWER_HEADERS)
    return Listeners(public, operations, operations_port=settings.operations_port)


def _start_background_tasks(container: Container) -> None:
    bus, pool, settings = container.bus, container.pool, container.settings
    periodic_tasks: tuple[tuple[str, float, Callable[[], Awaitable[object]]], ...] = (
        ("key prune", PRUNE_EVERY_S, partial(idempotency_store.prune, pool)),
        ("rate prune", PRUNE_EVERY_S, partial(postgres_windows.prune, pool)),
        ("hour prune", PRUNE_EVERY_S, partial(hourly_quota.prune, pool)),
        ("event prune", PRUNE_EVERY_S, partial(event_log.prune, pool)),
        ("result prune", PRUNE_EVERY_S, partial(undelivered_results.prune, pool)),
        ("webhook prune", PRUNE_EVERY_S, partial(delivery_store.prune, pool, settings.webhook_kept_days)),
        ("upload sweep", SWEEP_EVERY_S, container.uploads.sweep),
        ("key last use", FLUSH_EVERY_S, container.authenticator.key_use.flush),
        ("token last use", FLUSH_EVERY_S, container.operator_authenticator.token_use.flush),
        ("waiting poll", POLL_EVERY_S, container.waiter.poll),
        ("stalled check", settings.standing_check_every_s, container.recovery.check),
    )
    for name, every_s, act in periodic_tasks:
        bus.run_in_background(periodic.run_every(name, every_s, act), name)
    bus.run_in_background(container.webhook_dispatcher.run(), "webhooks")
    bus.run_in_background(container.catalogue.keep_fresh(), "provider catalogue")


async def _close(container: Container) -> None:
    await container.bus.stop()
    await container.subscriptions.stop()
    await container.peers.close()
    await container.media_intake.close()
    container.webhook_dispatcher.close()
    await container.pool.close()
    container.objects.close()


def add_surfaces(public: DocumentedFastAPI, operations: FastAPI, container: Container) -> None:
    """Gives each listener its surfaces and their pages. No server is needed for that."""
    for surface in DIRECT:
        public.direct_routes.add(surface.direct_routes(container))
    for listener, surfaces in ((public, PUBLIC), (operations, OPERATIONS)):
        listener.include_router(pages.router())
        for surface in surfaces:
            listener.include_router(surface.router(container))
    describe(public.webhooks)


def _listener(settings: Settings, **how: Any) -> DocumentedFastAPI:
    """One listener's application with the middleware of every route."""
    app = DocumentedFastAPI(docs_url=None, redoc_url=None, telemetry=ONE_SPAN_A_REQUEST, **how)
    # A redirect would be built from the Host header, and a client that follows it repeats its body and its key there.
    app.router.redirect_slashes = False
    app.add_middleware(DirectAnswers, shape_of=shape_of)
    app.add_middleware(
        FailedLogins,
        per_minute=settings.failed_logins_per_minute,
        limits_of=lambda scope: scope["app"].state.container.rate_limiter,
        client_ip=partial(clients.client_ip, trusted=settings.proxies),
        shape_of=shape_of,
        surface_of=surface_of,
    )
    app.add_middleware(
        RequestGuard,
        body_bytes_max=settings.body_bytes_max,
        shape_of=shape_of,
        surface_of=surface_of,
        larger=LARGER_BODIES,
        bodies_bytes_max=settings.bodies_bytes_max,
    )
    app.add_exception_handler(Problem, _refuse)
    app.add_exception_handler(HTTPException, _refuse_unrouted)
    return app


def _build_container(settings: Settings, pool: Pool) -> Container:
    instance, waiter = uuid7().hex, GenerationWaiter(pool)
    bus, replies, peers = Bus("gateway", settings, pool), ReplyListener(), _peer_client(settings)
    secrets, objects = SigningSecrets(settings.key_pepper), ObjectStore(settings.storage)
    dispatcher = WebhookDispatcher(bus.unit, secrets, objects, _poster(settings), _rules(settings))
    public_url = settings.public_root
    enqueuer = DeliveryEnqueuer(lambda found: generation_view(found, DeferredSigner(), public_url), dispatcher.wake)
    publisher = Publisher(settings.amqp_url.get_secret_value(), "gateway")
    subscriptions = SubscriptionPublisher(pool, publisher, public_url)
    projector = Projector(waiter, enqueuer, subscriptions.wake)
    bus.consume(GATEWAY_PROJECTION, partial(handlers.project, projector), late_claim=True)
    bus.consume_replies(reply_key(instance), replies.on_reply)
    dev_issuer, intake = _dev_issuer(settings), _media_intake(pool, objects)
    issuers = (*([dev_issuer.issuer()] if dev_issuer else []), *_outside_issuer(settings))
    capacity = Capacity(pool, tenant_max=settings.tenant_pending_max, total_max=settings.pending_max)
    catalogue = ProviderCatalogue(peers.get_providers, stands_in=settings.environment == "local")
    admission = Admission(bus, replies, peers, timeout_s=settings.admission_s)
    return Container(
        settings=settings,
        pool=pool,
        bus=bus,
        reply_listener=replies,
        instance_id=instance,
        operator_authenticator=OperatorAuthenticator(pool, settings.key_pepper.get_secret_value()),
        authenticator=Authenticator(pool, settings.key_pepper.get_secret_value(), issuers),
        dev_issuer=dev_issuer,
        objects=objects,
        input_resolver=InputResolver(objects, intake),
        media_intake=intake,
        balance_check=BalanceCheck(peers),
        uploads=Uploads(bus.unit, objects, UploadIdentity(settings.storage), settings.upload_rules),
        peers=peers,
        capacity=capacity,
        creator=GenerationCreator(pool, admission, catalogue, capacity, instance),
        idempotent_runner=IdempotentRunner(bus.unit),
        reader=GenerationReader(pool),
        event_reader=event_log.EventReader(pool),
        waiter=waiter,
        disconnects=ClientDisconnects(bus.unit, waiter),
        canceller=GenerationCanceller(bus.unit, peers, waiter, enqueuer),
        recovery=ProjectionRecovery(bus.unit, peers, projector, after_s=settings.standing_after_s),
        deleter=GenerationDeleter(bus.unit, objects, subscriptions.wake),
        rate_limiter=_limits(settings, pool),
        catalogue=catalogue,
        receiver_policy=_receiver_policy(settings),
        signing_secrets=secrets,
        webhook_dispatcher=dispatcher,
        subscriptions=subscriptions,
        client_ip=partial(clients.client_ip, trusted=settings.proxies),
    )


def _peer_client(settings: Settings) -> PeerClient:
    return PeerClient(
        session_url=str(settings.session_url),
        billing_url=str(settings.billing_url),
        render_url=str(settings.render_url),
        service_token=settings.service_token.get_secret_value(),
    )


def _media_intake(pool: Pool, objects: ObjectStore) -> MediaIntake:
    turns = FairTurns(at_once=IMAGE_WORKERS, per_owner=OWNER_PROBES_MAX)
    return MediaIntake(pool, objects, ImageWorkers(workers=IMAGE_WORKERS), turns)


def _receiver_policy(settings: Settings) -> ReceiverPolicy:
    return ReceiverPolicy(plain=settings.environment == "local", loopback=settings.webhook_loopback == "on")


def _poster(settings: Settings) -> SafePoster:
    return SafePoster(timeout_s=settings.webhook_timeout_s, loopback=settings.webhook_loopback == "on")


def _rules(settings: Settings) -> DispatchPolicy:
    return DispatchPolicy(
        retry_delays_s=parse_retry_delays(settings.webhook_retries_s),
        timeout_s=settings.webhook_timeout_s,
        concurrency=settings.webhook_concurrency,
        patience_days=settings.webhook_patience_days,
    )


def _limits(settings: Settings, pool: Pool) -> RateLimiter:
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url else None
    return RateLimiter(open_windows(redis_url, pool), enabled=settings.rate_limit_enabled)


def _dev_issuer(settings: Settings) -> DevelopmentIssuer | None:
    local = settings.environment == "local"
    return DevelopmentIssuer(settings.dev_issuer_key_file) if local and settings.dev_issuer_key_file else None


def _outside_issuer(settings: Settings) -> tuple[Issuer, ...]:
    if not (settings.jwks_url and settings.jwt_issuer and settings.jwt_audience):
        return ()
    return (Issuer(settings.jwt_issuer, settings.jwt_audience, OUTSIDE_ALGORITHMS, Jwks(str(settings.jwks_url))),)


async def _refuse(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)
    return shape_of(request.url.path)(problem)


async def _refuse_unrouted(request: Request, refusal: Exception) -> Response:
    """What the framework refused, in the words of the surface it was sent to."""
    assert isinstance(refusal, HTTPException)
    problem = problem_for_status(refusal.status_code)
    problem.headers.update(refusal.headers or {})
    return shape_of(request.url.path)(problem)
