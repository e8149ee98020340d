"""Routes for operators: the state of the log, and its verification against the books and a checkpoint from outside."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from atelier_gateway.container import Container
from atelier_gateway.peers import transparency_log
from atelier_gateway.peers.client import PeerUnavailable, unavailable_problem
from atelier_gateway.surfaces.admin.access import operators_routes, record
from atelier_gateway.surfaces.admin.openapi import ACT, BODY, made, refusals
from atelier_gateway.web.json_bodies import RequestBody, body_schema, json_response, parse_body
from atelier_gateway.web.openapi_responses import Responses

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


class LogVerificationJob(BaseModel):
    """A verification as a job: ``size`` of ``total`` entries are checked."""

    id: UUID
    state: Literal["running", "passed", "failed"]
    size: int
    total: int
    compared_size: int | None
    violations: list[str]
    started_at: datetime
    ended_at: datetime | None


class CheckpointStore(BaseModel):
    """A place outside the database: the size that its checkpoint signs, null where it holds none or cannot be read."""

    store: str
    size: int | None
    error: str | None


class LogStatus(BaseModel):
    """Entries, how many of them the last checkpoint signs, what the stores outside hold, and the verifications."""

    size: int
    signed_size: int | None
    outside: list[CheckpointStore]
    running: LogVerificationJob | None
    last: LogVerificationJob | None


STATUS: Responses = {200: made(LogStatus, "The log now"), **refusals()}
STARTED: Responses = {202: made(LogVerificationJob, "Started, or running already"), **refusals(ACT)}
VERIFIED: dict[int | str, dict[str, Any]] = {
    200: made(LogVerification, "What was checked and found"),
    **refusals(*BODY),
}


def router(container: Container) -> APIRouter:
    """Routes under ``/v1/admin/log``, for operators."""
    routes = operators_routes(container, "/log")

    @routes.post("/verify", responses=VERIFIED, openapi_extra=body_schema(LogCheckpoint, required=False))
    async def verify_log(request: Request) -> Response:
        """Verify the log: recompute every entry from the books, and compare its root with a checkpoint."""
        body = await parse_body(request, LogCheckpoint) if await request.body() else LogCheckpoint()
        try:
            return json_response(await transparency_log.verify(container.peers, body.checkpoint))
        except PeerUnavailable as error:
            raise unavailable_problem(error) from error

    @routes.get("/status", responses=STATUS)
    async def get_log_status() -> Response:
        """Get the size of the log, its checkpoints outside the database, and the last verification."""
        try:
            return json_response(await transparency_log.get_status(container.peers))
        except PeerUnavailable as error:
            raise unavailable_problem(error) from error

    @routes.post("/verifications", status_code=202, responses=STARTED)
    async def start_log_verification(request: Request) -> Response:
        """Start a verification of the whole log as a job. If one is running, the answer is that one."""
        async with container.bus.unit.once() as tx:
            await record(tx, request, "log.verify", "log", None)
        try:
            return json_response(await transparency_log.start_verification(container.peers), 202)
        except PeerUnavailable as error:
            raise unavailable_problem(error) from error

    return routes
