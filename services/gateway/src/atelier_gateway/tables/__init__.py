"""The tables of the gateway, by subject; importing this fills the metadata that migrations compare with.

Locks are taken in one order, so that no two transactions wait for each other: ``client_tokens``, ``generations``, then
``files``, then ``uploads``, then ``doomed_uploads``; several rows of one of them by their primary key.
"""

from atelier_gateway.tables import (
    batches,
    buckets,
    client_tokens,
    disputes,
    events,
    files,
    form,
    generations,
    idempotency,
    identity,
    operators,
    public_events,
    rates,
    refusals,
    rerenders,
    stories,
    unconfirmed_messages,
    undelivered,
    uploads,
    webhooks,
)
from atelier_messaging.tables import InboxRow, OutboxRow

__all__ = [
    "InboxRow",
    "OutboxRow",
    "batches",
    "buckets",
    "client_tokens",
    "disputes",
    "events",
    "files",
    "form",
    "generations",
    "idempotency",
    "identity",
    "operators",
    "public_events",
    "rates",
    "refusals",
    "rerenders",
    "stories",
    "unconfirmed_messages",
    "undelivered",
    "uploads",
    "webhooks",
]
