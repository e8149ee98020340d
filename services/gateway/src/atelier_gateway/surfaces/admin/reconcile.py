"""Routes for operators: the comparison of all services' records, its findings, their repair."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from atelier_gateway.container import Container
from atelier_gateway.peers import reconciliation
from atelier_gateway.peers.client import PeerUnavailable, unavailable_problem
from atelier_gateway.surfaces.admin import reconcile_openapi as openapi
from atelier_gateway.surfaces.admin.access import operators_routes, record
from atelier_gateway.surfaces.admin.requests import NewReconcileRun
from atelier_gateway.surfaces.admin.responses import LIST_DEFAULT, LIST_MAX
from atelier_gateway.web.json_bodies import body_schema, id_from_path, json_response, parse_body
from atelier_gateway.web.pagination import parse_page
from atelier_gateway.web.problems import field_problem, not_found

BOOLEANS = {"true": True, "false": False}


def router(container: Container) -> APIRouter:
    """Routes under ``/v1/admin/reconcile``, for operators."""
    routes = operators_routes(container, "/reconcile")
    _add_runs(routes, container)
    _add_findings(routes, container)
    return routes


def _add_runs(routes: APIRouter, container: Container) -> None:
    @routes.post(
        "/runs",
        status_code=202,
        responses=openapi.RUN_STARTED,
        openapi_extra=body_schema(NewReconcileRun, required=False),
    )
    async def start_reconcile_run(request: Request) -> Response:
        """Start a comparison of the records of all services. If one is running, the answer is that one."""
        body = await parse_body(request, NewReconcileRun) if await request.body() else NewReconcileRun()
        async with container.bus.unit.once() as tx:
            await record(tx, request, "reconcile.run", "installation", None, scope=body.scope)
        try:
            return json_response(_run_view(await reconciliation.start_run(container.peers, body.scope)), 202)
        except PeerUnavailable as error:
            raise unavailable_problem(error) from error

    @routes.get("/runs/{id}", responses=openapi.RUN)
    async def get_reconcile_run(id: str) -> Response:
        """Get the progress of a comparison."""
        try:
            run = await reconciliation.get_run(container.peers, id_from_path(id, "run"))
        except PeerUnavailable as error:
            raise unavailable_problem(error) from error
        if run is None:
            raise not_found("run")
        return json_response(_run_view(run))


def _add_findings(routes: APIRouter, container: Container) -> None:
    @routes.get("/findings", responses=openapi.FINDINGS, openapi_extra=openapi.FINDINGS_PAGED)
    async def list_reconcile_findings(request: Request) -> Response:
        """List the disagreements between the services' records, newest first."""
        query = request.query_params
        limit, before = parse_page(query, default=LIST_DEFAULT, most=LIST_MAX)
        if (resolved := BOOLEANS.get(query.get("resolved", "false"))) is None:
            raise field_problem("resolved", "true or false is required")
        return json_response(await _page(container, before, limit, resolved))

    @routes.post("/repairs", status_code=202, responses=openapi.REPAIRS)
    async def send_reconcile_repairs(request: Request) -> Response:
        """Send the command that repairs each open finding, where there is one: one that the services send anyway."""
        async with container.bus.unit.once() as tx:
            await record(tx, request, "reconcile.repair", "installation", None)
        try:
            return json_response({"sent": await reconciliation.repair(container.peers)}, 202)
        except PeerUnavailable as error:
            raise unavailable_problem(error) from error


async def _page(container: Container, before: UUID | None, limit: int, resolved: bool) -> dict[str, Any]:
    try:
        found = await reconciliation.list_findings(container.peers, before=before, limit=limit + 1, resolved=resolved)
    except PeerUnavailable as error:
        raise unavailable_problem(error) from error
    return {"data": found[:limit], "next_cursor": found[limit - 1]["id"] if len(found) > limit else None}


def _run_view(run: dict[str, Any]) -> dict[str, Any]:
    """The run without its position, which means nothing to a reader."""
    return {name: run[name] for name in openapi.ReconcileRun.model_fields}
