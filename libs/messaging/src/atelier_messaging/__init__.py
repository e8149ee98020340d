"""Delivery: topology, outbox, inbox, ``once()``, retries and dead letters.

A name is imported when it is first used: a program that needs only addresses or the topology, as the launcher does,
loads neither FastStream nor FastAPI.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

_MODULES = {
    "Batcher": "batcher",
    "Overloaded": "batcher",
    "Bus": "bus",
    "Poison": "errors",
    "Transient": "errors",
    "is_outage": "errors",
    "until_available": "outages",
    "wait_event": "periodic",
    "PublishOutcome": "publisher",
    "BrokerSettings": "settings",
    "Delivery": "unit_of_work",
    "Transaction": "unit_of_work",
    "UnitOfWork": "unit_of_work",
}
"""By name, the module that has it."""


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = found
    return found
