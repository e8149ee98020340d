"""Puts the simulator together: the paths of each provider, and ``/_control``."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI

from atelier_provider_simulator.plans import Plan
from atelier_provider_simulator.providers import PROVIDERS
from atelier_provider_simulator.request_handler import RequestHandler


def create_app(keys: Mapping[str, str] | None = None) -> FastAPI:
    """The simulator as an ASGI application. Each provider accepts one key: that of ``keys``, or else its default."""
    handler, files = RequestHandler(), dict[str, bytes]()
    app = FastAPI(title="Simulated providers", docs_url=None, redoc_url=None, openapi_url=None)
    _add_control(app, handler, files)
    for name, provider in PROVIDERS.items():
        provider.add_routes(app, handler, files, (keys or {}).get(name, provider.KEY))
    return app


def _add_control(app: FastAPI, handler: RequestHandler, files: dict[str, bytes]) -> None:
    @app.get("/_control/health")
    async def health() -> dict[str, bool]:
        return {"ok": True}

    @app.post("/_control/plans", status_code=201)
    async def plan(plan: Plan) -> dict[str, int]:
        handler.plans.add(plan)
        return {"waiting": handler.plans.count_pending()}

    @app.get("/_control/requests")
    async def requests() -> dict[str, Any]:
        return {
            "requests": [received.model_dump() for received in handler.plans.log],
            "planned": handler.plans.count_pending(),
            "cancelled": handler.plans.cancelled,
        }

    @app.delete("/_control", status_code=204)
    async def forget() -> None:
        handler.forget()
        files.clear()
