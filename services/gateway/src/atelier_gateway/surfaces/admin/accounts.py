"""Routes for operators: users and workspaces."""

from dataclasses import asdict
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from atelier_gateway.container import Container
from atelier_gateway.identity import users
from atelier_gateway.surfaces.admin import openapi
from atelier_gateway.surfaces.admin.access import operators_routes, record
from atelier_gateway.surfaces.admin.requests import NewUser, NewWorkspace, UserChange, id_in, word_in
from atelier_gateway.surfaces.admin.responses import list_response, user_view
from atelier_gateway.web.json_bodies import (
    body_schema,
    id_from_path,
    json_response,
    parse_body,
)
from atelier_gateway.web.problems import Problem, not_found
from atelier_messaging import UnitOfWork


def router(container: Container) -> APIRouter:
    """Routes under ``/v1/admin`` for users, workspaces and their members."""
    routes = operators_routes(container)
    for add in (_add_users, _add_one_user, _add_workspaces, _add_members):
        add(routes, container, container.bus.unit)
    return routes


def _add_users(routes: APIRouter, container: Container, unit: UnitOfWork) -> None:
    @routes.post("/users", status_code=201, responses=openapi.USER, openapi_extra=body_schema(NewUser))
    async def create_user(request: Request) -> Response:
        """Create a user, who signs in with tokens."""
        body, user_id = await parse_body(request, NewUser), uuid7()
        async with unit.once() as tx:
            if not await users.insert_user(tx.connection, user_id, body.email, body.subject or str(user_id)):
                raise Problem("conflict", "A user with this email or subject is there already.")
            await record(tx, request, "user.create", "user", user_id)
        return json_response({"id": user_id, "email": body.email}, 201)

    @routes.get("/users", responses=openapi.USERS, openapi_extra=openapi.USERS_PAGED)
    async def list_users(request: Request) -> Response:
        """List the users, newest first. With `email`: the user who has that address, in any case of letters."""
        email = word_in(request.query_params, "email")
        return await list_response(
            request,
            lambda before, limit: users.users(container.pool, email=email, before=before, limit=limit),
            user_view,
        )

    @routes.get("/users/{id}", responses=openapi.ONE_USER)
    async def get_user(id: str) -> Response:
        """Get a user."""
        found = await users.find_person(container.pool, id_from_path(id, "user"))
        if found is None:
            raise not_found("user")
        return json_response(user_view(found))


def _add_one_user(routes: APIRouter, container: Container, unit: UnitOfWork) -> None:
    @routes.post("/users/{id}/tokens", status_code=201, responses=openapi.TOKEN)
    async def create_user_token(request: Request, id: str) -> Response:
        """Create a token for a user, from the development issuer of a local installation."""
        user_id = id_from_path(id, "user")
        subject = await users.subject_of(container.pool, user_id)
        if subject is None:
            raise not_found("user")
        if container.dev_issuer is None:
            raise Problem("conflict", "This installation has no development issuer: tokens come from outside.")
        async with unit.once() as tx:
            await record(tx, request, "user.issue_token", "user", user_id)
        return json_response({"token": container.dev_issuer.create_token(subject, now=datetime.now(UTC))}, 201)

    @routes.patch("/users/{id}", responses=openapi.USER_STATE, openapi_extra=body_schema(UserChange))
    async def update_user(request: Request, id: str) -> Response:
        """Disable or enable the account of a user."""
        user_id, body = id_from_path(id, "user"), await parse_body(request, UserChange)
        async with unit.once() as tx:
            if not await users.set_disabled(tx.connection, user_id, disabled=body.disabled):
                raise not_found("user")
            await record(tx, request, "user.disable" if body.disabled else "user.enable", "user", user_id)
        container.authenticator.clear_cache()
        return json_response({"id": user_id, "disabled": body.disabled})


def _add_workspaces(routes: APIRouter, container: Container, unit: UnitOfWork) -> None:
    @routes.get("/workspaces", responses=openapi.WORKSPACES, openapi_extra=openapi.WORKSPACES_PAGED)
    async def list_workspaces(request: Request) -> Response:
        """List the workspaces, newest first. With `member`: those that this user belongs to."""
        member = id_in(request.query_params, "member")
        return await list_response(
            request,
            lambda before, limit: users.workspaces(container.pool, member=member, before=before, limit=limit),
        )

    @routes.get("/workspaces/{id}", responses=openapi.ONE_WORKSPACE)
    async def get_workspace(id: str) -> Response:
        """Get a workspace."""
        found = await users.find_workspace(container.pool, id_from_path(id, "workspace"))
        if found is None:
            raise not_found("workspace")
        return json_response(asdict(found))

    @routes.post("/workspaces", status_code=201, responses=openapi.WORKSPACE, openapi_extra=body_schema(NewWorkspace))
    async def create_workspace(request: Request) -> Response:
        """Create a workspace with its members."""
        body, workspace_id = await parse_body(request, NewWorkspace), uuid7()
        members = set(body.member_ids)
        async with unit.once() as tx:
            if not await users.insert_workspace(tx.connection, workspace_id, body.name, members):
                raise not_found("user among the members")
            added = {"member_ids": [str(id_) for id_ in sorted(members)]}
            await record(tx, request, "workspace.create", "workspace", workspace_id, **added)
        return json_response({"id": workspace_id, "name": body.name, "member_ids": sorted(members)}, 201)


def _add_members(routes: APIRouter, container: Container, unit: UnitOfWork) -> None:
    @routes.get("/workspaces/{id}/members", responses=openapi.MEMBERS, openapi_extra=openapi.PAGED)
    async def list_workspace_members(request: Request, id: str) -> Response:
        """List the members of a workspace."""
        workspace_id = id_from_path(id, "workspace")
        if not await users.exists(container.pool, "workspace", workspace_id):
            raise not_found("workspace")
        return await list_response(
            request,
            lambda before, limit: users.members(container.pool, workspace_id, before=before, limit=limit),
            user_view,
        )

    @routes.put("/workspaces/{id}/members/{user_id}", status_code=204, responses=openapi.MEMBER_ADDED)
    async def add_workspace_member(request: Request, id: str, user_id: str) -> Response:
        """Add a user to a workspace."""
        workspace_id, member_id = id_from_path(id, "workspace"), id_from_path(user_id, "user")
        async with unit.once() as tx:
            if not await users.add_member(tx.connection, workspace_id, member_id):
                raise not_found("workspace or user")
            await record(tx, request, "workspace.add_member", "workspace", workspace_id, member_id=str(member_id))
        return Response(status_code=204)

    @routes.delete("/workspaces/{id}/members/{user_id}", status_code=204, responses=openapi.MEMBER_REMOVED)
    async def remove_workspace_member(request: Request, id: str, user_id: str) -> Response:
        """Remove a user from a workspace, effective within 5 s."""
        workspace_id, member_id = id_from_path(id, "workspace"), id_from_path(user_id, "member")
        async with unit.once() as tx:
            if not await users.remove_member(tx.connection, workspace_id, member_id):
                raise not_found("member")
            await record(tx, request, "workspace.remove_member", "workspace", workspace_id, member_id=str(member_id))
        container.authenticator.clear_cache()
        return Response(status_code=204)
