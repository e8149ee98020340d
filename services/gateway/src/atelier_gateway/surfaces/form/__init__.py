"""Seed 002: the generation form, for users. ``{"success", "data"}`` or ``{"success", "error", "code", …}``."""

from atelier_gateway.store.form import SURFACE
from atelier_gateway.surfaces.form.making import PREFIX
from atelier_gateway.surfaces.form.replies import problem
from atelier_gateway.surfaces.form.routes import router

__all__ = ["PREFIX", "SURFACE", "problem", "router"]
