"""The admin API, for operators alone: accounts, stores and keys, credits, operators and their actions."""

from atelier_gateway.surfaces.admin.access import PREFIX
from atelier_gateway.surfaces.admin.routes import router

__all__ = ["PREFIX", "router"]
