"""Handlers of the messages that the gateway consumes: they keep the projection up to date."""

from atelier_contracts import BooksCorrected, CapReached, CapSet, CreditGranted, Event, GrantExpired
from atelier_gateway.generations.projector import Projector
from atelier_messaging import Transaction

PROJECTED = Event | CreditGranted | GrantExpired | BooksCorrected | CapReached | CapSet


async def project(projector: Projector, tx: Transaction) -> None:
    """Applies a batch of events from the bus."""
    await projector.apply(tx, [delivery for delivery in tx.fresh if isinstance(delivery.message, PROJECTED)])
