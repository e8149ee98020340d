"""Atelier's public events for subscribers: typed models, reading them, and handling each once.

Nothing of it is needed: the events are plain CloudEvents 1.0 in AMQP's binary mode.
"""

from atelier_contracts.public_events import PUBLIC_EVENTS, PublicEvent, subscription_queue
from atelier_contracts.public_events import CreditsCapReachedFact as CreditsCapReached
from atelier_contracts.public_events import CreditsCorrectedFact as CreditsCorrected
from atelier_contracts.public_events import CreditsExpiredFact as CreditsExpired
from atelier_contracts.public_events import CreditsGrantedFact as CreditsGranted
from atelier_contracts.public_events import CreditsHeldFact as CreditsHeld
from atelier_contracts.public_events import CreditsSettledFact as CreditsSettled
from atelier_contracts.public_events import DisputeDecidedFact as DisputeDecided
from atelier_contracts.public_events import DisputeOpenedFact as DisputeOpened
from atelier_contracts.public_events import GenerationCancelledFact as GenerationCancelled
from atelier_contracts.public_events import GenerationDeletedFact as GenerationDeleted
from atelier_contracts.public_events import GenerationFailedFact as GenerationFailed
from atelier_contracts.public_events import GenerationQueuedFact as GenerationQueued
from atelier_contracts.public_events import GenerationReadyFact as GenerationReady
from atelier_contracts.public_events import GenerationRejectedFact as GenerationRejected
from atelier_contracts.public_events import GenerationStartedFact as GenerationStarted
from atelier_contracts.public_events import GenerationSucceededFact as GenerationSucceeded
from atelier_contracts.public_events import OutputsExpiredFact as OutputsExpired
from atelier_events.event_reader import NotAnEvent, ReceivedEvent, UnknownEvent, read
from atelier_events.inbox import PREPARE, once, once_in_postgres

__all__ = [
    "PREPARE",
    "PUBLIC_EVENTS",
    "CreditsCapReached",
    "CreditsCorrected",
    "CreditsExpired",
    "CreditsGranted",
    "CreditsHeld",
    "CreditsSettled",
    "DisputeDecided",
    "DisputeOpened",
    "GenerationCancelled",
    "GenerationDeleted",
    "GenerationFailed",
    "GenerationQueued",
    "GenerationReady",
    "GenerationRejected",
    "GenerationStarted",
    "GenerationSucceeded",
    "NotAnEvent",
    "OutputsExpired",
    "PublicEvent",
    "ReceivedEvent",
    "UnknownEvent",
    "once",
    "once_in_postgres",
    "read",
    "subscription_queue",
]
