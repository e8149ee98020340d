"""Puts the gateway together; decides nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope
from uuid_utils.compat import uuid7

from atelier_contracts.routes import GATEWAY_PROJECTION, reply_key
from atelier_gateway import handlers, pages, parts
from atelier_gateway.background.tasks import start_background_tasks
from atelier_gateway.batches.creation import BatchCreator
from atelier_gateway.container import Container
from atelier_gateway.disputes.settlement import DisputeSettler
from atelier_gateway.generations.admission import Admission
from atelier_gateway.generations.balance_check import BalanceCheck
from atelier_gateway.generations.cancellation import GenerationCanceller
from atelier_gateway.generations.capacity import Capacity
from atelier_gateway.generations.client_disconnects import ClientDisconnects
from atelier_gateway.generations.creation import GenerationCreator
from atelier_gateway.generations.deletion import GenerationDeleter
from atelier_gateway.generations.delivery import OutputDeliverer
from atelier_gateway.generations.internal_api import handovers_router
from atelier_gateway.generations.projector import Projector
from atelier_gateway.generations.provider_catalogue import ProviderCatalogue
from atelier_gateway.generations.recovery import ProjectionRecovery
from atelier_gateway.generations.rerenderer import Rerenderer
from atelier_gateway.idempotency.runner import IdempotentRunner
from atelier_gateway.identity.operators import OperatorAuthenticator
from atelier_gateway.identity.refusal_log import RefusalLog
from atelier_gateway.listeners import Listeners
from atelier_gateway.media.fair_turns import FairTurns
from atelier_gateway.media.input_references import InputResolver
from atelier_gateway.media.intake import MediaIntake
from atelier_gateway.media.uploads import Uploads
from atelier_gateway.middleware.failed_logins import FailedLogins
from atelier_gateway.middleware.request_guard import RequestGuard
from atelier_gateway.parts import build_dispatcher, build_peer_client, build_resolver
from atelier_gateway.peers.client import PeerClient
from atelier_gateway.peers.reply_listener import ReplyListener
from atelier_gateway.projection import event_log
from atelier_gateway.projection.reader import GenerationReader
from atelier_gateway.projection.waiter import GenerationWaiter
from atelier_gateway.reconcile_feed import reconcile_router
from atelier_gateway.settings import Settings
from atelier_gateway.subscriptions.publisher import SubscriptionPublisher
from atelier_gateway.surfaces import DIRECT, LARGER_BODIES, OPERATIONS, PUBLIC, SURFACES, noted_shape_of, surface_of
from atelier_gateway.surfaces.native.responses import generation_view
from atelier_gateway.surfaces.openapi import DocumentedFastAPI
from atelier_gateway.surfaces.openapi_headers import ANSWER_HEADERS
from atelier_gateway.surfaces.webhooks.openapi_webhooks import describe
from atelier_gateway.web import client_ip as clients
from atelier_gateway.web.cors import allow_origins
from atelier_gateway.web.direct_routes import DirectAnswers
from atelier_gateway.web.problems import Problem, problem_for_status
from atelier_gateway.web.request_facts import RequestFacts
from atelier_gateway.webhooks.dispatcher import WebhookDispatcher
from atelier_gateway.webhooks.enqueuer import DeliveryEnqueuer
from atelier_gateway.webhooks.payloads import DeferredSigner
from atelier_gateway.webhooks.signing import SigningSecrets
from atelier_imaging import ImageWorkers
from atelier_messaging import Bus, database
from atelier_messaging.database import Pool
from atelier_messaging.publisher import Publisher
from atelier_storage.objects import ObjectStore
from atelier_storage.upload_identity import UploadIdentity
from atelier_telemetry import logs, tracing
from atelier_telemetry.operations import ONE_SPAN_A_REQUEST, PROCESS, Check, health_router, operations_router
from atelier_telemetry.shutdown import Shutdown

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
        container = _build_container(settings, await database.open_pool(settings.gateway_database_url, settings))
        app.state.container = operations.state.container = container
        await container.uploads.prove_at_start()
        await container.bus.start()
        first_token = settings.admin_token.get_secret_value() if settings.admin_token else None
        await container.operator_authenticator.set_first(first_token)
        await container.subscriptions.start(container.bus, kept_days=settings.public_events_kept_days)
        start_background_tasks(container)
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
        operations.include_router(handovers_router(container.bus.unit, container.deliverer, settings.service_token))
        add_surfaces(public, operations, container)
        yield
        await _close(container)
        spans.shutdown()

    public = _listener(settings, title="Atelier", servers=[{"url": settings.public_root}], lifespan=lifespan)
    allow_origins(public, settings.origins, exposed=ANSWER_HEADERS, is_token_origin=_is_token_origin)
    return Listeners(public, operations, operations_port=settings.operations_port)


async def _is_token_origin(scope: Scope, origin: str) -> bool:
    container: Container | None = getattr(scope["app"].state, "container", None)
    return container is not None and await container.authenticator.clients.is_origin(origin)


async def _close(container: Container) -> None:
    await container.bus.stop()
    await container.subscriptions.stop()
    await container.peers.close()
    await container.media_intake.close()
    container.webhook_dispatcher.close()
    container.bucket_delivery.close()
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
    app.add_middleware(DirectAnswers, shape_of=noted_shape_of)
    app.add_middleware(
        FailedLogins,
        per_minute=settings.failed_logins_per_minute,
        limits_of=lambda scope: scope["app"].state.container.rate_limiter,
        client_ip=partial(clients.client_ip, trusted=settings.proxies),
        shape_of=noted_shape_of,
        surface_of=surface_of,
    )
    app.add_middleware(
        RequestGuard,
        body_bytes_max=settings.body_bytes_max,
        shape_of=noted_shape_of,
        surface_of=surface_of,
        larger=LARGER_BODIES,
        bodies_bytes_max=settings.bodies_bytes_max,
        note_refusal=_note_refusal,
        surfaces=SURFACES,
    )
    app.add_exception_handler(Problem, _refuse)
    app.add_exception_handler(HTTPException, _refuse_unrouted)
    return app


def _build_container(settings: Settings, pool: Pool) -> Container:
    instance, waiter, capacity = uuid7().hex, GenerationWaiter(pool), parts.build_capacity(settings, pool)
    bus, replies, peers = Bus("gateway", settings, pool), ReplyListener(), build_peer_client(settings)
    objects, deliverer = ObjectStore(settings.storage), OutputDeliverer(bus.unit)
    secrets, dispatcher, enqueuer, subscriptions = _senders(settings, bus, objects, deliverer)
    buckets = parts.build_bucket_delivery(settings, bus, objects, deliverer)
    settler = DisputeSettler(enqueuer, subscriptions.wake)
    projector = _consume(bus, replies, instance, Projector(waiter, enqueuer, settler, subscriptions.wake, buckets.wake))
    dev_issuer, intake = parts.build_development_issuer(settings), _media_intake(pool, objects)
    creator, catalogue = _creator(settings, bus, replies, peers, capacity, instance)
    return Container(
        settings=settings,
        pool=pool,
        bus=bus,
        reply_listener=replies,
        instance_id=instance,
        operator_authenticator=OperatorAuthenticator(pool, settings.key_pepper.get_secret_value()),
        authenticator=parts.build_authenticator(settings, pool, dev_issuer),
        dev_issuer=dev_issuer,
        objects=objects,
        input_resolver=InputResolver(objects, intake),
        media_intake=intake,
        balance_check=BalanceCheck(peers),
        uploads=Uploads(bus.unit, objects, UploadIdentity(settings.storage), settings.upload_rules),
        peers=peers,
        capacity=capacity,
        creator=creator,
        rerenderer=Rerenderer(bus.unit, peers, creator),
        disputes=build_resolver(settings, bus, replies, peers, objects, intake, settler, instance_id=instance),
        idempotent_runner=IdempotentRunner(bus.unit),
        reader=GenerationReader(pool),
        event_reader=event_log.EventReader(pool),
        waiter=waiter,
        disconnects=ClientDisconnects(bus.unit, waiter, deliverer),
        canceller=GenerationCanceller(bus.unit, peers, waiter, enqueuer, deliverer),
        recovery=ProjectionRecovery(bus.unit, peers, projector, after_s=settings.standing_after_s),
        deleter=GenerationDeleter(bus.unit, objects, subscriptions.wake),
        deliverer=deliverer,
        rate_limiter=parts.build_rate_limiter(settings, pool),
        refusals=RefusalLog(pool),
        catalogue=catalogue,
        receiver_policy=parts.build_receiver_policy(settings),
        signing_secrets=secrets,
        webhook_dispatcher=dispatcher,
        bucket_delivery=buckets,
        subscriptions=subscriptions,
        batch_creator=BatchCreator(bus.unit),
        batches_woken=asyncio.Event(),
        client_ip=partial(clients.client_ip, trusted=settings.proxies),
    )


def _senders(
    settings: Settings, bus: Bus, objects: ObjectStore, deliverer: OutputDeliverer
) -> tuple[SigningSecrets, WebhookDispatcher, DeliveryEnqueuer, SubscriptionPublisher]:
    """What signs webhooks, what sends them, what puts them in their queue; and what publishes events."""
    secrets, public_url = SigningSecrets(settings.key_pepper), settings.public_root
    dispatcher = build_dispatcher(settings, bus, secrets, objects, deliverer)
    enqueuer = DeliveryEnqueuer(lambda found: generation_view(found, DeferredSigner(), public_url), dispatcher.wake)
    publisher = Publisher(settings.amqp_url.get_secret_value(), "gateway")
    return secrets, dispatcher, enqueuer, SubscriptionPublisher(bus.unit.pool, publisher, public_url)


def _consume(bus: Bus, replies: ReplyListener, instance: str, projector: Projector) -> Projector:
    """The projector, which gets all that comes."""
    bus.consume(GATEWAY_PROJECTION, partial(handlers.project, projector), late_claim=True)
    bus.consume_replies(reply_key(instance), replies.on_reply)
    return projector


def _creator(
    settings: Settings,
    bus: Bus,
    replies: ReplyListener,
    peers: PeerClient,
    capacity: Capacity,
    instance: str,
) -> tuple[GenerationCreator, ProviderCatalogue]:
    admission = Admission(bus, replies, peers, timeout_s=settings.admission_s)
    catalogue = ProviderCatalogue(peers.get_providers, stands_in=settings.environment == "local")
    return GenerationCreator(bus.unit.pool, admission, catalogue, capacity, instance), catalogue


def _media_intake(pool: Pool, objects: ObjectStore) -> MediaIntake:
    turns = FairTurns(at_once=IMAGE_WORKERS, per_owner=OWNER_PROBES_MAX)
    return MediaIntake(pool, objects, ImageWorkers(workers=IMAGE_WORKERS), turns)


def _note_refusal(scope: Scope, surface: str, facts: RequestFacts, request_id: str) -> None:
    container: Container | None = getattr(scope["app"].state, "container", None)
    if container is not None and facts.owner is not None and facts.problem is not None:
        container.refusals.record(facts.owner, surface, facts.problem, request_id)


async def _refuse(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)
    return noted_shape_of(request.url.path)(problem)


async def _refuse_unrouted(request: Request, refusal: Exception) -> Response:
    """What the framework refused, in the words of the surface it was sent to."""
    assert isinstance(refusal, HTTPException)
    problem = problem_for_status(refusal.status_code)
    problem.headers.update(refusal.headers or {})
    return noted_shape_of(request.url.path)(problem)
