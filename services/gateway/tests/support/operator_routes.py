"""The internal routes of session, billing and render that only operators' requests lead to."""

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fastapi import FastAPI, Request
from starlette.responses import JSONResponse

from atelier_contracts import GenerationRequested

if TYPE_CHECKING:
    from .neighbours import Neighbours


def add_operator_routes(app: FastAPI, neighbours: "Neighbours") -> None:
    """Serves the requests that were received, and records: of providers by path, others by their one word."""

    @app.get("/internal/generations/{id}/request")
    async def request(id: UUID) -> JSONResponse:
        heard = (each.message for each in neighbours.heard)
        asked = (m for m in heard if isinstance(m, GenerationRequested) and m.generation_id == id)
        found = next(asked, None)
        return JSONResponse(found.model_dump(mode="json")) if found else JSONResponse({}, 404)

    @app.api_route("/internal/providers{path:path}", methods=["GET", "PUT", "DELETE"])
    async def providers(path: str, request: Request) -> JSONResponse:
        body = await request.body()
        neighbours.provider_calls.append((request.method, path, json.loads(body) if body else None))
        found = neighbours.records.get(f"providers{path}")
        return JSONResponse(found) if found is not None else JSONResponse({"detail": "nothing there"}, 404)

    @app.get("/internal/{kind}")
    async def single(kind: str) -> JSONResponse:
        found = neighbours.records.get(kind)
        return JSONResponse(found) if found is not None else JSONResponse({}, 404)

    @app.get("/internal/accounts/{kind}/{id}/entries")
    async def entries(kind: str, id: UUID, limit: int, before: UUID | None = None) -> dict[str, Any]:
        entries = neighbours.records.get(f"accounts/{kind}/{id}/entries", [])
        return {"entries": [entry for entry in entries if not before or entry["id"] < str(before)][:limit]}
