"""Delivery: topology, outbox, inbox, ``once()``, retries and dead letters."""

from atelier_messaging.batching import Batcher, Overloaded
from atelier_messaging.bus import Bus
from atelier_messaging.errors import Poison, Transient, is_outage
from atelier_messaging.publisher import Outcome
from atelier_messaging.settings import BrokerSettings
from atelier_messaging.work import Delivery, UnitOfWork, Work

__all__ = [
    "Batcher",
    "BrokerSettings",
    "Bus",
    "Delivery",
    "Outcome",
    "Overloaded",
    "Poison",
    "Transient",
    "UnitOfWork",
    "Work",
    "is_outage",
]
