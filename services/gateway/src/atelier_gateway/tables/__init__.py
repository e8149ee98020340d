"""The tables of the gateway, by subject; importing this fills the metadata that migrations compare with.

Locks are taken in one order, so that no two transactions wait for each other: ``generations``, then ``files``, then
``uploads``, then ``doomed_uploads``; several rows of one of the last three by their primary key.
"""

from atelier_gateway.tables import columns as core
from atelier_gateway.tables import events, files, form, operators, rates, stories, uploads, webhooks
from atelier_gateway.tables import undelivered as unclaimed

__all__ = ["core", "events", "files", "form", "operators", "rates", "stories", "unclaimed", "uploads", "webhooks"]
