"""What billing reports of usage and costs, as the neighbours of a test keep it."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fastapi import FastAPI
from starlette.responses import JSONResponse, Response, StreamingResponse

if TYPE_CHECKING:
    from .neighbours import Neighbours


async def iterate(lines: Sequence[bytes | Exception]) -> AsyncIterator[bytes]:
    """Each as a piece of its own; breaks off at an exception."""
    for line in lines:
        if isinstance(line, Exception):
            raise line
        yield line


def add_usage_routes(app: FastAPI, neighbours: "Neighbours") -> None:
    """What billing reports of usage, statements, charges and costs."""

    @app.get("/internal/accounts/{kind}/{id}/usage")
    async def usage(kind: str, id: UUID, since: datetime, until: datetime, by: str) -> JSONResponse:
        neighbours.usage_asked.append((since, until, by))
        if (wrong := neighbours.records.get("usage refused")) is not None:
            return JSONResponse({"detail": wrong}, 422)
        return JSONResponse({"sums": neighbours.records.get(f"accounts/{kind}/{id}/usage", [])})

    @app.get("/internal/accounts/{kind}/{id}/statement")
    async def statement(kind: str, id: UUID, since: datetime, until: datetime) -> Response:
        neighbours.usage_asked.append((since, until, "statement"))
        lines = neighbours.records.get(f"accounts/{kind}/{id}/statement")
        return StreamingResponse(iterate(lines)) if lines else JSONResponse({}, 404)

    @app.get("/internal/usage")
    async def all_usage(since: datetime, until: datetime, by: str) -> dict[str, Any]:
        neighbours.usage_asked.append((since, until, by))
        return {"sums": neighbours.records.get("usage", [])}

    @app.post("/internal/charges")
    async def charges(asked: dict[str, list[str]]) -> dict[str, Any]:
        known = neighbours.records.get("charges", {})
        return {"charges": [known[id_] | {"generation_id": id_} for id_ in asked["ids"] if id_ in known]}

    @app.get("/internal/costs/{what}")
    async def costs(what: str) -> Any:
        return neighbours.records.get(f"costs/{what}", {})
