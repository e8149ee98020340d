"""What ``app.py`` hands to the surfaces: the working parts of one gateway process."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from atelier_contracts.model_lifecycles import utc_today
from atelier_gateway.callers import Callers
from atelier_gateway.cancelling import Cancelling
from atelier_gateway.capacity import Capacity
from atelier_gateway.clients import ClientIp
from atelier_gateway.creating import Creating
from atelier_gateway.deleting import Deleting
from atelier_gateway.funds import Funds
from atelier_gateway.identity.operators import Operators
from atelier_gateway.identity.principals import Identity
from atelier_gateway.identity.tokens import DevelopmentIssuer
from atelier_gateway.inputs import Inputs
from atelier_gateway.intake import Intake
from atelier_gateway.internal import Internal
from atelier_gateway.keyed import KeyedActs
from atelier_gateway.limits import Limits
from atelier_gateway.offers import Offers
from atelier_gateway.replies import Replies
from atelier_gateway.settings import Settings
from atelier_gateway.standing import Standing
from atelier_gateway.uploading import Uploads
from atelier_gateway.waiting import Waiting
from atelier_gateway.webhooks.addresses import Receivers
from atelier_gateway.webhooks.sending import Sender
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
