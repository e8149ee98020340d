"""OpenAI's image API over our core, so that its stock clients work by changing their base URL."""

from atelier_gateway.surfaces.openai.errors import render_problem
from atelier_gateway.surfaces.openai.responses import SURFACE
from atelier_gateway.surfaces.openai.routes import MODELS_PREFIX, PICTURE_PATHS, PREFIX, router

__all__ = ["MODELS_PREFIX", "PICTURE_PATHS", "PREFIX", "SURFACE", "render_problem", "router"]
