"""What ``app.py`` hands to the surfaces: the working parts of one gateway process."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from atelier_contracts.model_lifecycles import utc_today
from atelier_gateway.generations.balance_check import Funds
from atelier_gateway.generations.cancellation import Cancelling
from atelier_gateway.generations.capacity import Capacity
from atelier_gateway.generations.client_disconnects import Callers
from atelier_gateway.generations.creation import Creating
from atelier_gateway.generations.deletion import Deleting
from atelier_gateway.generations.provider_catalogue import Offers
from atelier_gateway.idempotency.runner import KeyedActs
from atelier_gateway.identity.authenticator import Identity
from atelier_gateway.identity.operators import Operators
from atelier_gateway.identity.tokens import DevelopmentIssuer
from atelier_gateway.media.input_references import Inputs
from atelier_gateway.media.intake import Intake
from atelier_gateway.media.uploads import Uploads
from atelier_gateway.peers.client import Internal
from atelier_gateway.peers.reply_listener import Replies
from atelier_gateway.projection.recovery import Standing
from atelier_gateway.projection.waiter import Waiting
from atelier_gateway.rate_limits.limiter import Limits
from atelier_gateway.settings import Settings
from atelier_gateway.web.client_ip import ClientIp
from atelier_gateway.webhooks.dispatcher import Sender
from atelier_gateway.webhooks.receiver_urls import Receivers
from atelier_gateway.webhooks.signing import Secrets
from atelier_messaging import Bus
from atelier_messaging.database import Pool
from atelier_storage.objects import ObjectStore


@dataclass(frozen=True, slots=True)
class Parts:
    """Constructed once, when the process starts."""

    settings: Settings
    pool: Pool
    bus: Bus
    replies: Replies
    instance: str
    identity: Identity
    operators: Operators
    dev_issuer: DevelopmentIssuer | None
    objects: ObjectStore
    inputs: Inputs
    intake: Intake
    funds: Funds
    uploads: Uploads
    internal: Internal
    capacity: Capacity
    creating: Creating
    keyed: KeyedActs
    waiting: Waiting
    callers: Callers
    cancelling: Cancelling
    standing: Standing
    deleting: Deleting
    limits: Limits
    offers: Offers
    receivers: Receivers
    secrets: Secrets
    sender: Sender
    client_ip: ClientIp
    """Of a request's scope; what limits by address count is ``clients.subject`` of it."""
    today: Callable[[], date] = utc_today
    """By which it is judged which models there are."""

    @property
    def simulating(self) -> bool:
        """Whether ``X-Atelier-Simulate`` is taken."""
        return self.settings.simulator == "on"
