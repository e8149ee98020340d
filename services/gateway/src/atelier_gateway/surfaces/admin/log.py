"""Route for operators: verify the log against the books and a checkpoint from outside the database."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from atelier_gateway.container import Container
from atelier_gateway.peers import transparency_log
from atelier_gateway.peers.client import PeerUnavailable, unavailable_problem
from atelier_gateway.surfaces.admin.access import operators_routes
from atelier_gateway.surfaces.admin.openapi import BODY, made, refusals
from atelier_gateway.web.json_bodies import RequestBody, body_schema, json_response, parse_body

CHECKPOINT_CHARS_MAX = 2_000


class LogCheckpoint(RequestBody):
    """A checkpoint that was kept; without one the log is compared with the file that billing writes."""

    checkpoint: str | None = Field(default=None, max_length=CHECKPOINT_CHARS_MAX)


class LogVerification(BaseModel):
    """The log as recomputed from the books, and each thing that is wrong. ``compared_size`` is of the checkpoint from
    outside, null where there was none."""

    ok: bool
    size: int
    root: str
    compared_size: int | None
    violations: list[str]


VERIFIED: dict[int | str, dict[str, Any]] = {
    200: made(LogVerification, "What was checked and found"),
    **refusals(*BODY),
}


def router(container: Container) -> APIRouter:
    """One route under ``/v1/admin/log``, for operators."""
    routes = operators_routes(container, "/log")

    @routes.post("/verify", responses=VERIFIED, openapi_extra=body_schema(LogCheckpoint, required=False))
    async def verify_log(request: Request) -> Response:
        """Verify the log: recompute every entry from the books, and compare its root with a checkpoint."""
        body = await parse_body(request, LogCheckpoint) if await request.body() else LogCheckpoint()
        try:
            return json_response(await transparency_log.verify(container.peers, body.checkpoint))
        except PeerUnavailable as error:
            raise unavailable_problem(error) from error

    return routes
