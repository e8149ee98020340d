"""What ``app.py`` hands to the surfaces: the working parts of one gateway process."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from atelier_contracts import Owner
from atelier_contracts.model_lifecycles import utc_today
from atelier_gateway.batches.creation import BatchCreator
from atelier_gateway.disputes.resolver import DisputeResolver
from atelier_gateway.generations.balance_check import BalanceCheck
from atelier_gateway.generations.bucket_delivery import BucketDelivery
from atelier_gateway.generations.cancellation import GenerationCanceller
from atelier_gateway.generations.capacity import Capacity
from atelier_gateway.generations.client_disconnects import ClientDisconnects
from atelier_gateway.generations.creation import GenerationCreator
from atelier_gateway.generations.deletion import GenerationDeleter
from atelier_gateway.generations.delivery import OutputDeliverer
from atelier_gateway.generations.provider_catalogue import ProviderCatalogue
from atelier_gateway.generations.recovery import ProjectionRecovery
from atelier_gateway.generations.rerenderer import Rerenderer
from atelier_gateway.idempotency.runner import IdempotentRunner
from atelier_gateway.identity.authenticator import Authenticator
from atelier_gateway.identity.operators import OperatorAuthenticator
from atelier_gateway.identity.refusal_log import RefusalLog
from atelier_gateway.identity.tokens import DevelopmentIssuer
from atelier_gateway.media.input_references import InputResolver
from atelier_gateway.media.intake import MediaIntake
from atelier_gateway.media.uploads import Uploads
from atelier_gateway.peers.client import PeerClient
from atelier_gateway.peers.reply_listener import ReplyListener
from atelier_gateway.projection.event_log import EventReader
from atelier_gateway.projection.reader import GenerationReader
from atelier_gateway.projection.waiter import GenerationWaiter
from atelier_gateway.rate_limits.limiter import RateLimiter
from atelier_gateway.settings import Settings
from atelier_gateway.subscriptions.publisher import SubscriptionPublisher
from atelier_gateway.web.client_ip import ClientIp
from atelier_gateway.webhooks.dispatcher import WebhookDispatcher
from atelier_gateway.webhooks.receiver_urls import ReceiverPolicy
from atelier_gateway.webhooks.signing import SigningSecrets
from atelier_messaging import Bus
from atelier_messaging.database import Pool
from atelier_storage.objects import ObjectStore


@dataclass(frozen=True, slots=True)
class Container:
    """Constructed once, when the process starts."""

    settings: Settings
    pool: Pool
    bus: Bus
    reply_listener: ReplyListener
    instance_id: str
    authenticator: Authenticator
    operator_authenticator: OperatorAuthenticator
    dev_issuer: DevelopmentIssuer | None
    objects: ObjectStore
    input_resolver: InputResolver
    media_intake: MediaIntake
    balance_check: BalanceCheck
    uploads: Uploads
    peers: PeerClient
    capacity: Capacity
    creator: GenerationCreator
    disputes: DisputeResolver
    idempotent_runner: IdempotentRunner
    reader: GenerationReader
    event_reader: EventReader
    waiter: GenerationWaiter
    disconnects: ClientDisconnects
    rerenderer: Rerenderer
    canceller: GenerationCanceller
    recovery: ProjectionRecovery
    deleter: GenerationDeleter
    deliverer: OutputDeliverer
    rate_limiter: RateLimiter
    refusals: RefusalLog
    catalogue: ProviderCatalogue
    receiver_policy: ReceiverPolicy
    signing_secrets: SigningSecrets
    webhook_dispatcher: WebhookDispatcher
    bucket_delivery: BucketDelivery
    subscriptions: SubscriptionPublisher
    batch_creator: BatchCreator
    batches_woken: asyncio.Event
    """Set where there is a batch to begin or to end."""
    client_ip: ClientIp
    """Of a request's scope; what limits by address count is ``clients.subject`` of it."""
    today: Callable[[], date] = utc_today
    """By which it is judged which models there are."""

    def simulates(self, owner: Owner | None = None) -> bool:
        """Whether ``X-Atelier-Simulate`` is taken: everywhere where the simulator is on, from test accounts always."""
        return self.settings.simulator == "on" or (owner is not None and owner.is_test)
