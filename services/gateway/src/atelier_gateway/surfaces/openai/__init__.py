"""OpenAI's image API over our core, so that its stock clients work by changing their base URL."""

from atelier_gateway.surfaces.openai.batches import PREFIX as BATCHES_PREFIX
from atelier_gateway.surfaces.openai.errors import render_problem
from atelier_gateway.surfaces.openai.files import PREFIX as FILES_PREFIX
from atelier_gateway.surfaces.openai.parameters import ABSENT_PREFIXES
from atelier_gateway.surfaces.openai.responses import SURFACE
from atelier_gateway.surfaces.openai.routes import MODELS_PREFIX, PICTURE_PATHS, PREFIX, router

OTHER_PREFIXES = (MODELS_PREFIX, BATCHES_PREFIX, FILES_PREFIX, *ABSENT_PREFIXES)
"""Where else errors are in OpenAI's shape: beside the routes of pictures."""
__all__ = ["OTHER_PREFIXES", "PICTURE_PATHS", "PREFIX", "SURFACE", "render_problem", "router"]
