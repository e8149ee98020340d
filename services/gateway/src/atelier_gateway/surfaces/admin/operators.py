"""The operator's surface: operators themselves, and what they did."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from atelier_gateway.container import Parts
from atelier_gateway.identity import operator_acts as admin_acts
from atelier_gateway.identity import operator_store as operators
from atelier_gateway.identity.operator_store import FIRST, Operator, Role, StoredOperator
from atelier_gateway.surfaces.admin import operator_openapi as docs
from atelier_gateway.surfaces.admin.access import operator_of, operators_routes, record
from atelier_gateway.surfaces.admin.lists import id_in, listed, word_in
from atelier_gateway.surfaces.admin.openapi import PAGED
from atelier_gateway.web.json_bodies import Body, Line, answer, id_from_path, read, takes
from atelier_gateway.web.problems import Problem, not_found
from atelier_messaging import Transaction

WHAT = "operator"


class NewOperator(Body):
    """A person who is to operate this installation."""

    name: Line
    role: Role


class OperatorChange(Body):
    """What may change of an operator."""

    role: Role


def router(parts: Parts) -> APIRouter:
    """``/v1/admin/operators``, whom only admins change, and ``/v1/admin/acts``."""
    routes = operators_routes(parts, acts_as="admin")
    _add_reads(routes, parts)
    _add_people(routes, parts)
    _add_access(routes, parts)
    return routes


def _add_reads(routes: APIRouter, parts: Parts) -> None:
    @routes.get("/operators", responses=docs.OPERATORS, openapi_extra=PAGED)
    async def list_operators(request: Request) -> Response:
        """List the operators of this installation, newest first, with the revoked ones."""
        return await listed(request, lambda before, limit: operators.page(parts.pool, before=before, limit=limit))

    @routes.get("/operators/me", responses=docs.OPERATOR)
    async def get_current_operator(request: Request) -> Response:
        """Get the operator whose token this is, with their role."""
        return answer(asdict(_there(await operators.find(parts.pool, operator_of(request).id))))

    @routes.get("/acts", responses=docs.ACTS, openapi_extra=docs.ACTS_PAGED)
    async def list_operator_acts(request: Request) -> Response:
        """List the acts of operators, newest first. Each was recorded in the transaction of the act."""
        query = request.query_params
        act, target, operator = word_in(query, "act"), id_in(query, "target"), id_in(query, "operator")

        async def load(before: UUID | None, limit: int) -> list[admin_acts.Act]:
            return await admin_acts.page(
                parts.pool, before=before, limit=limit, act=act, target=target, operator=operator
            )

        return await listed(request, load, _act)


def _add_people(routes: APIRouter, parts: Parts) -> None:
    @routes.post("/operators", status_code=201, responses=docs.OPERATOR_CREATED, openapi_extra=takes(NewOperator))
    async def create_operator(request: Request) -> Response:
        """Create an operator. Their token is in this answer only."""
        body = await read(request, NewOperator)
        token, prefix, digest = parts.operators.new_token()
        new = StoredOperator(uuid7(), body.name, body.role, digest)
        async with parts.bus.unit.once() as work:
            made = await operators.insert(work.connection, new, prefix)
            await record(work, request, "operator.create", WHAT, made.id, name=made.name, role=made.role)
        return answer(asdict(made) | {"token": token}, 201)

    @routes.patch("/operators/{id}", responses=docs.OPERATOR_CHANGED, openapi_extra=takes(OperatorChange))
    async def update_operator(request: Request, id: str) -> Response:
        """Update the role of an operator, effective within 5 s."""
        operator_id, body = id_from_path(id, WHAT), await read(request, OperatorChange)
        async with parts.bus.unit.once() as work:
            if body.role != "admin":
                await _keep_an_admin(work, operator_id)
            changed = _there(await operators.set_role(work.connection, operator_id, body.role))
            await record(work, request, "operator.change_role", WHAT, operator_id, role=body.role)
        parts.operators.forget()
        return answer(asdict(changed))

    @routes.delete("/operators/{id}", status_code=204, responses=docs.OPERATOR_REVOKED)
    async def revoke_operator(request: Request, id: str) -> Response:
        """Revoke an operator. Their token is unknown from now on; their acts stay listed."""
        operator_id = id_from_path(id, WHAT)
        async with parts.bus.unit.once() as work:
            await _keep_an_admin(work, operator_id)
            revoked = _there(await operators.revoke(work.connection, operator_id))
            await record(work, request, "operator.revoke", WHAT, operator_id, name=revoked.name)
        parts.operators.forget()
        return Response(status_code=204)


def _add_access(routes: APIRouter, parts: Parts) -> None:
    @routes.post("/operators/{id}/token", status_code=201, responses=docs.OPERATOR_TOKEN)
    async def replace_operator_token(request: Request, id: str) -> Response:
        """Replace the token of an operator.

        The new one is in this answer only; the previous one is unknown from now on.
        """
        operator_id = id_from_path(id, WHAT)
        if operator_id == FIRST:
            raise Problem("conflict", "The first operator's token is the setting ATELIER_ADMIN_TOKEN; change it there.")
        token, prefix, digest = parts.operators.new_token()
        async with parts.bus.unit.once() as work:
            changed = _there(await operators.set_token(work.connection, operator_id, prefix, digest))
            await record(work, request, "operator.replace_token", WHAT, operator_id)
        parts.operators.forget()
        return answer(asdict(changed) | {"token": token}, 201)


async def _keep_an_admin(work: Transaction, leaving: UUID) -> None:
    """Raises Problem 409 where nobody would be left who can manage operators."""
    if await operators.lock_admins(work.connection) == {leaving}:
        raise Problem("conflict", "This is the last admin; make another one first.")


def _act(act: admin_acts.Act) -> dict[str, Any]:
    return {
        "id": act.id,
        "at": act.at,
        "act": act.act,
        "target": {"kind": act.target_kind, "id": act.target_id},
        "operator": {"id": act.operator_id, "name": act.operator_name},
        "request_id": act.request_id,
        "details": act.details,
    }


def _there(found: Operator | None) -> Operator:
    if found is None:
        raise not_found(WHAT)
    return found
