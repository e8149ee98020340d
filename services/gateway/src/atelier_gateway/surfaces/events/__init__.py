"""The documents of the public events: their AsyncAPI and the schema of each."""

from atelier_gateway.surfaces.events.routes import router

__all__ = ["router"]
