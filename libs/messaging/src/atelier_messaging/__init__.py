"""Delivery: topology, outbox, inbox, ``once()``, retries and dead letters."""

from atelier_messaging.batcher import Batcher, Overloaded
from atelier_messaging.bus import Bus
from atelier_messaging.errors import Poison, Transient, is_outage
from atelier_messaging.outages import until_available
from atelier_messaging.periodic import wait_event
from atelier_messaging.publisher import PublishOutcome
from atelier_messaging.settings import BrokerSettings
from atelier_messaging.unit_of_work import Delivery, Transaction, UnitOfWork

__all__ = [
    "Batcher",
    "BrokerSettings",
    "Bus",
    "Delivery",
    "Overloaded",
    "Poison",
    "PublishOutcome",
    "Transaction",
    "Transient",
    "UnitOfWork",
    "is_outage",
    "until_available",
    "wait_event",
]
