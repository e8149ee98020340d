"""The tables of the gateway, by subject; importing this fills the metadata that migrations compare with."""

from atelier_gateway.tables import core, events, files, form, operators, rates, stories, unclaimed, uploads, webhooks

__all__ = ["core", "events", "files", "form", "operators", "rates", "stories", "unclaimed", "uploads", "webhooks"]
