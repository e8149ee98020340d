"""The providers configured here, and what each of them offers."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from atelier_contracts import Kind
from atelier_contracts.image_models import HOSTED_PROVIDERS
from atelier_gateway.container import Container
from atelier_gateway.web.json_bodies import json_response
from atelier_gateway.web.openapi_responses import OF_CLIENT_TOKENS, WORKSPACE, answers
from atelier_gateway.web.problems import Problem
from atelier_imaging.pictures import BYTES_MAX, PIXELS_MAX, SOURCE_TYPES

ROW: dict[str, Any] = {
    "kind": "image",
    "modes": ["words", "edit", "variation"],
    "models": [],
    "sizes": ["1024x1024", "256x256"],
    "styles": ["natural", "vivid"],
    "qualities": ["standard", "hd"],
    "formats": ["png", "jpeg", "webp", "avif"],
    "n_max": 10,
}


class ProviderOffer(BaseModel):
    """The offers for a kind, or for a group of models; an empty list accepts any value."""

    kind: Kind
    modes: list[str]
    models: list[str]
    sizes: list[str]
    styles: list[str]
    qualities: list[str]
    formats: list[str]
    n_max: int


class Provider(BaseModel):
    """A provider; ``remote`` where the work leaves this installation."""

    name: str
    remote: bool
    offers: list[ProviderOffer]


class PictureLimits(BaseModel):
    """Limits of input images; the type is detected from the bytes."""

    content_types: list[str]
    bytes_max: int
    pixels_max: int


TAKEN = PictureLimits(content_types=list(SOURCE_TYPES.values()), bytes_max=BYTES_MAX, pixels_max=PIXELS_MAX)


class Capabilities(BaseModel):
    """``providers`` in order of preference. For those ``missing`` an account is needed; ``stand_in`` works for them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "providers": [{"name": "local", "remote": False, "offers": [ROW]}],
                    "missing": list(HOSTED_PROVIDERS),
                    "stand_in": "local",
                    "pictures": TAKEN.model_dump(),
                }
            ]
        }
    )

    providers: list[Provider]
    missing: list[str]
    stand_in: str | None
    pictures: PictureLimits


KNOWN = answers({200: ("As render said within the last quarter of a minute.", Capabilities)}, *OF_CLIENT_TOKENS)


def router(container: Container) -> APIRouter:
    """One route."""
    routes = APIRouter(prefix="/v1", tags=["Generations"])

    @routes.get("/capabilities", responses=KNOWN, openapi_extra={"parameters": [WORKSPACE]})
    async def get_capabilities(request: Request) -> Response:
        """Get the capabilities of this installation: its providers, and what each of them offers."""
        await container.authenticator.authenticate_client(request)
        offers = container.catalogue
        if not offers.is_known:
            raise Problem("unavailable", "The render service has not said yet what it can make; try again later.")
        shown = [{name: provider[name] for name in ("name", "remote", "offers")} for provider in offers.providers]
        missing = list(offers.missing)
        return json_response(
            {
                "providers": shown,
                "missing": missing,
                "stand_in": offers.fallback,
                "pictures": TAKEN.model_dump(),
            }
        )

    return routes
