"""Webhooks: where owners receive the events of their generations, and what was delivered. RFC 9457 errors."""

from atelier_gateway.surfaces.webhooks.routes import router

__all__ = ["router"]
