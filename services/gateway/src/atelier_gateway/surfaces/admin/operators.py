"""Routes for operators: operators themselves, and their acts."""

from dataclasses import asdict
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from atelier_gateway.container import Container
from atelier_gateway.identity import operator_acts, operator_store
from atelier_gateway.identity.operator_store import FIRST, Operator, StoredOperator
from atelier_gateway.surfaces.admin import operator_openapi
from atelier_gateway.surfaces.admin.access import operator_of, operators_routes, record
from atelier_gateway.surfaces.admin.openapi import PAGED
from atelier_gateway.surfaces.admin.requests import NewOperator, OperatorChange, id_in, word_in
from atelier_gateway.surfaces.admin.responses import act_view, list_response
from atelier_gateway.web.json_bodies import (
    body_schema,
    id_from_path,
    json_response,
    parse_body,
)
from atelier_gateway.web.problems import Problem, not_found
from atelier_messaging import Transaction

WHAT = "operator"


def router(container: Container) -> APIRouter:
    """``/v1/admin/operators``, which only admins may change, and ``/v1/admin/acts``."""
    routes = operators_routes(container, acts_as="admin")
    _add_reads(routes, container)
    _add_people(routes, container)
    _add_access(routes, container)
    return routes


def _add_reads(routes: APIRouter, container: Container) -> None:
    @routes.get("/operators", responses=operator_openapi.OPERATORS, openapi_extra=PAGED)
    async def list_operators(request: Request) -> Response:
        """List the operators of this installation, newest first, with the revoked ones."""
        return await list_response(
            request, lambda before, limit: operator_store.list_page(container.pool, before=before, limit=limit)
        )

    @routes.get("/operators/me", responses=operator_openapi.OPERATOR)
    async def get_current_operator(request: Request) -> Response:
        """Get the operator whose token this is, with their role."""
        return json_response(asdict(_require(await operator_store.find(container.pool, operator_of(request).id))))

    @routes.get("/acts", responses=operator_openapi.ACTS, openapi_extra=operator_openapi.ACTS_PAGED)
    async def list_operator_acts(request: Request) -> Response:
        """List the acts of operators, newest first. Each was recorded in the transaction of the act."""
        query = request.query_params
        act, target, operator = word_in(query, "act"), id_in(query, "target"), id_in(query, "operator")

        async def load(before: UUID | None, limit: int) -> list[operator_acts.OperatorAct]:
            return await operator_acts.list_page(
                container.pool, before=before, limit=limit, act=act, target=target, operator=operator
            )

        return await list_response(request, load, act_view)


def _add_people(routes: APIRouter, container: Container) -> None:
    @routes.post(
        "/operators",
        status_code=201,
        responses=operator_openapi.OPERATOR_CREATED,
        openapi_extra=body_schema(NewOperator),
    )
    async def create_operator(request: Request) -> Response:
        """Create an operator. Their token is in this answer only."""
        body = await parse_body(request, NewOperator)
        token, prefix, digest = container.operator_authenticator.new_token()
        new = StoredOperator(uuid7(), body.name, body.role, digest)
        async with container.bus.unit.once() as tx:
            made = await operator_store.insert(tx.connection, new, prefix)
            await record(tx, request, "operator.create", WHAT, made.id, name=made.name, role=made.role)
        return json_response(asdict(made) | {"token": token}, 201)

    @routes.patch(
        "/operators/{id}", responses=operator_openapi.OPERATOR_CHANGED, openapi_extra=body_schema(OperatorChange)
    )
    async def update_operator(request: Request, id: str) -> Response:
        """Update the role of an operator, effective within 5 s."""
        operator_id, body = id_from_path(id, WHAT), await parse_body(request, OperatorChange)
        async with container.bus.unit.once() as tx:
            if body.role != "admin":
                await _keep_an_admin(tx, operator_id)
            changed = _require(await operator_store.set_role(tx.connection, operator_id, body.role))
            await record(tx, request, "operator.change_role", WHAT, operator_id, role=body.role)
        container.operator_authenticator.clear_cache()
        return json_response(asdict(changed))

    @routes.delete("/operators/{id}", status_code=204, responses=operator_openapi.OPERATOR_REVOKED)
    async def revoke_operator(request: Request, id: str) -> Response:
        """Revoke an operator. Their token is unknown from now on; their acts stay listed."""
        operator_id = id_from_path(id, WHAT)
        async with container.bus.unit.once() as tx:
            await _keep_an_admin(tx, operator_id)
            revoked = _require(await operator_store.revoke(tx.connection, operator_id))
            await record(tx, request, "operator.revoke", WHAT, operator_id, name=revoked.name)
        container.operator_authenticator.clear_cache()
        return Response(status_code=204)


def _add_access(routes: APIRouter, container: Container) -> None:
    @routes.post("/operators/{id}/token", status_code=201, responses=operator_openapi.OPERATOR_TOKEN)
    async def replace_operator_token(request: Request, id: str) -> Response:
        """Replace the token of an operator.

        The new one is in this answer only; the previous one is unknown from now on.
        """
        operator_id = id_from_path(id, WHAT)
        if operator_id == FIRST:
            raise Problem("conflict", "The first operator's token is the setting ATELIER_ADMIN_TOKEN; change it there.")
        token, prefix, digest = container.operator_authenticator.new_token()
        async with container.bus.unit.once() as tx:
            changed = _require(await operator_store.set_token(tx.connection, operator_id, prefix, digest))
            await record(tx, request, "operator.replace_token", WHAT, operator_id)
        container.operator_authenticator.clear_cache()
        return json_response(asdict(changed) | {"token": token}, 201)


async def _keep_an_admin(tx: Transaction, leaving: UUID) -> None:
    """Raises Problem 409 where no operator would be left who can manage operators."""
    if await operator_store.lock_admins(tx.connection) == {leaving}:
        raise Problem("conflict", "This is the last admin; make another one first.")


def _require(found: Operator | None) -> Operator:
    if found is None:
        raise not_found(WHAT)
    return found
