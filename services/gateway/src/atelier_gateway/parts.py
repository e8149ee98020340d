"""Builds single parts of a gateway process for ``app.py``, from the settings and other parts."""

from atelier_gateway.disputes.evidence import EvidenceCollector
from atelier_gateway.disputes.resolver import DisputePolicy, DisputeResolver
from atelier_gateway.disputes.settlement import DisputeSettler
from atelier_gateway.generations.bucket_delivery import PUT_S_MAX, BucketDelivery
from atelier_gateway.generations.capacity import Capacity
from atelier_gateway.generations.delivery import OutputDeliverer
from atelier_gateway.identity.authenticator import Authenticator
from atelier_gateway.identity.client_authenticator import ClientAuthenticator
from atelier_gateway.identity.tokens import OUTSIDE_ALGORITHMS, DevelopmentIssuer, Issuer, Jwks
from atelier_gateway.media.intake import MediaIntake
from atelier_gateway.peers.client import PeerClient
from atelier_gateway.peers.reply_listener import ReplyListener
from atelier_gateway.rate_limits.backends import open_windows
from atelier_gateway.rate_limits.limiter import RateLimiter
from atelier_gateway.settings import Settings
from atelier_gateway.web.cors import origin_of
from atelier_gateway.webhooks.dispatcher import DispatchPolicy, WebhookDispatcher
from atelier_gateway.webhooks.receiver_urls import ReceiverPolicy
from atelier_gateway.webhooks.retry_policy import parse_retry_delays
from atelier_gateway.webhooks.signing import SigningSecrets
from atelier_messaging import Bus
from atelier_messaging.database import Pool
from atelier_storage.objects import ObjectStore
from atelier_storage.safe_poster import SafePoster


def build_peer_client(settings: Settings) -> PeerClient:
    """The client of the other services' internal APIs."""
    return PeerClient(
        session_url=str(settings.session_url),
        billing_url=str(settings.billing_url),
        render_url=str(settings.render_url),
        service_token=settings.service_token.get_secret_value(),
    )


def build_resolver(
    settings: Settings,
    bus: Bus,
    replies: ReplyListener,
    peers: PeerClient,
    objects: ObjectStore,
    intake: MediaIntake,
    settler: DisputeSettler,
    *,
    instance_id: str,
) -> DisputeResolver:
    """The resolver with the policy of the settings."""
    collector = EvidenceCollector(bus.unit.pool, objects, intake, peers, timeout_s=settings.dispute_evidence_s)
    policy = DisputePolicy(settings.disputes, settings.dispute_days, settings.dispute_refunds_per_month)
    timeout_s = settings.admission_s
    return DisputeResolver(
        bus, replies, peers, collector, settler, policy, instance_id=instance_id, timeout_s=timeout_s
    )


def build_authenticator(settings: Settings, pool: Pool, development: DevelopmentIssuer | None) -> Authenticator:
    """Authenticates what clients send."""
    pepper = settings.key_pepper.get_secret_value()
    issuers = (*([development.issuer()] if development else []), *_outside_issuer(settings))
    clients = ClientAuthenticator(pool, pepper, own_origin=origin_of(settings.public_root))
    return Authenticator(pool, pepper, issuers, clients)


def build_development_issuer(settings: Settings) -> DevelopmentIssuer | None:
    """With local settings and a key."""
    local = settings.environment == "local"
    return DevelopmentIssuer(settings.dev_issuer_key_file) if local and settings.dev_issuer_key_file else None


def _outside_issuer(settings: Settings) -> tuple[Issuer, ...]:
    if not (settings.jwks_url and settings.jwt_issuer and settings.jwt_audience):
        return ()
    return (Issuer(settings.jwt_issuer, settings.jwt_audience, OUTSIDE_ALGORITHMS, Jwks(str(settings.jwks_url))),)


def build_bucket_delivery(
    settings: Settings, bus: Bus, objects: ObjectStore, deliverer: OutputDeliverer
) -> BucketDelivery:
    """What puts outputs into clients' buckets, by the rules for addresses of webhooks."""
    poster = SafePoster(timeout_s=PUT_S_MAX, loopback=settings.webhook_loopback == "on")
    return BucketDelivery(bus.unit, objects, deliverer, poster)


def build_dispatcher(
    settings: Settings, bus: Bus, secrets: SigningSecrets, objects: ObjectStore, deliverer: OutputDeliverer
) -> WebhookDispatcher:
    """The dispatcher with the policy of the settings; what a request's webhook takes is delivered."""
    policy = DispatchPolicy(
        retry_delays_s=parse_retry_delays(settings.webhook_retries_s),
        timeout_s=settings.webhook_timeout_s,
        concurrency=settings.webhook_concurrency,
        patience_days=settings.webhook_patience_days,
    )
    poster = SafePoster(timeout_s=settings.webhook_timeout_s, loopback=settings.webhook_loopback == "on")
    return WebhookDispatcher(bus.unit, secrets, objects, poster, policy, deliverer.note_webhook)


def build_capacity(settings: Settings, pool: Pool) -> Capacity:
    """How much may be pending."""
    return Capacity(pool, tenant_max=settings.tenant_pending_max, total_max=settings.pending_max)


def build_receiver_policy(settings: Settings) -> ReceiverPolicy:
    """Which URLs may be called by webhooks."""
    return ReceiverPolicy(plain=settings.environment == "local", loopback=settings.webhook_loopback == "on")


def build_rate_limiter(settings: Settings, pool: Pool) -> RateLimiter:
    """Counts requests in Redis where there is one, else in Postgres."""
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url else None
    return RateLimiter(open_windows(redis_url, pool), enabled=settings.rate_limit_enabled)
