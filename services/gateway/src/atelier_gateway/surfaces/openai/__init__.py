"""OpenAI's image API over our core, so that its stock clients work by changing their base URL."""

from atelier_gateway.surfaces.openai.create import SURFACE
from atelier_gateway.surfaces.openai.errors import problem
from atelier_gateway.surfaces.openai.routes import MODELS_PREFIX, PICTURE_PATHS, PREFIX, router

__all__ = ["MODELS_PREFIX", "PICTURE_PATHS", "PREFIX", "SURFACE", "problem", "router"]
