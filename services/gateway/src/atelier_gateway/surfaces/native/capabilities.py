"""What can be asked of whom: the providers set up here, and what each of them makes."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from atelier_contracts import Kind
from atelier_gateway.bodies import answer
from atelier_gateway.parts import Parts
from atelier_gateway.problems import Problem
from atelier_gateway.surfaces.native import docs

ROW: dict[str, Any] = {
    "kind": "image",
    "modes": ["words", "edit", "variation"],
    "models": [],
    "sizes": ["1024x1024", "256x256"],
    "styles": ["natural", "vivid"],
    "qualities": ["standard", "hd"],
    "formats": ["png", "jpeg", "webp"],
    "n_max": 10,
}


class Offered(BaseModel):
    """What is offered of one kind, or of one group of models; of an empty list anything may be asked."""

    kind: Kind
    modes: list[str]
    models: list[str]
    sizes: list[str]
    styles: list[str]
    qualities: list[str]
    formats: list[str]
    n_max: int


class Maker(BaseModel):
    """A provider; ``remote`` where the work leaves this installation."""

    name: str
    remote: bool
    offers: list[Offered]


class Capabilities(BaseModel):
    """``providers`` in order of preference. For those ``missing`` an account is needed; ``stand_in`` works for them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "providers": [{"name": "local", "remote": False, "offers": [ROW]}],
                    "missing": ["openai", "google"],
                    "stand_in": "local",
                }
            ]
        }
    )

    providers: list[Maker]
    missing: list[str]
    stand_in: str | None


KNOWN = docs.answers({200: ("As render said within the last quarter of a minute.", Capabilities)})


def router(parts: Parts) -> APIRouter:
    """One route."""
    routes = APIRouter(prefix="/v1", tags=["Generations"])

    @routes.get("/capabilities", responses=KNOWN, openapi_extra={"parameters": [docs.WORKSPACE]})
    async def capabilities(request: Request) -> Response:
        """Who is set up here, and what each of them makes."""
        await parts.identity.anyone(request.headers)
        offers = parts.offers
        if not offers.known:
            raise Problem("unavailable", "The render service has not said yet what it can make; try again later.")
        shown = [{name: provider[name] for name in ("name", "remote", "offers")} for provider in offers.providers]
        return answer({"providers": shown, "missing": list(offers.missing), "stand_in": offers.stand_in})

    return routes
