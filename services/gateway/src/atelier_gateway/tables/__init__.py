"""The tables of the gateway, by subject; importing this fills the metadata that migrations compare with.

Locks are taken in one order, so that no two transactions wait for each other: ``generations``, then ``files``, then
``uploads``, then ``doomed_uploads``; several rows of one of the last three by their primary key.
"""

from atelier_gateway.tables import (
    events,
    files,
    form,
    generations,
    idempotency,
    identity,
    operators,
    public_events,
    rates,
    stories,
    undelivered,
    uploads,
    webhooks,
)
from atelier_messaging.tables import InboxRow, OutboxRow

__all__ = [
    "InboxRow",
    "OutboxRow",
    "events",
    "files",
    "form",
    "generations",
    "idempotency",
    "identity",
    "operators",
    "public_events",
    "rates",
    "stories",
    "undelivered",
    "uploads",
    "webhooks",
]
