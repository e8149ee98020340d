"""The operator's surface, first half: stores and their keys, users, workspaces."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response
from uuid_utils.compat import uuid7

from atelier_gateway.bodies import Body, Line, answer, id_from_path, read, takes
from atelier_gateway.identity import api_keys
from atelier_gateway.identity.api_keys import StoredKey
from atelier_gateway.parts import Parts
from atelier_gateway.problems import Problem, not_found
from atelier_gateway.store import people
from atelier_gateway.surfaces import admin_docs as docs
from atelier_messaging import UnitOfWork, Work
from atelier_telemetry.operations import guarded

PREFIX = "/v1/admin"


class NewStore(Body):
    """A store to be."""

    name: Line


class NewUser(Body):
    """A user to be; ``subject`` is what an outside issuer calls them."""

    email: Annotated[str, Field(pattern=r"^[^@\s]{1,64}@[^@\s]{1,255}$")]
    subject: Line | None = None


class UserChange(Body):
    """What may change of a user."""

    disabled: bool


class NewWorkspace(Body):
    """A workspace to be, with those who may act for it."""

    name: Line
    member_ids: list[UUID] = Field(min_length=1, max_length=1_000)


def router(parts: Parts) -> APIRouter:
    """Routes under ``/v1/admin`` that make and change people, for holders of the admin token."""
    routes = APIRouter(prefix=PREFIX, tags=["Admin"], dependencies=guarded(parts.settings.admin_token))
    for add in (_add_stores, _add_users, _add_workspaces):
        add(routes, parts, parts.bus.work)
    return routes


def _add_stores(routes: APIRouter, parts: Parts, work: UnitOfWork) -> None:
    @routes.post("/stores", status_code=201, responses=docs.STORE, openapi_extra=takes(NewStore))
    async def create_store(request: Request) -> Response:
        """A store, with its first API key, which is shown this once."""
        body, store_id = await read(request, NewStore), uuid7()
        async with work.once() as unit:
            await people.insert_store(unit.connection, store_id, body.name)
            _, key = await _give_key(unit, store_id, parts)
        return answer({"id": store_id, "name": body.name, "api_key": key}, 201)

    @routes.post("/stores/{id}/keys", status_code=201, responses=docs.NEW_KEY)
    async def create_key(id: str) -> Response:
        """A second key, for changing them without a pause; two are active at most."""
        store_id = id_from_path(id, "store")
        async with work.once() as unit:
            if not await people.lock_store(unit.connection, store_id):
                raise not_found("store")
            key_id, key = await _give_key(unit, store_id, parts)
        return answer({"id": key_id, "api_key": key}, 201)

    @routes.delete("/stores/{id}/keys/{key_id}", status_code=204, responses=docs.NO_KEY)
    async def revoke_key(id: str, key_id: str) -> Response:
        """From now on this key is as if there had never been one."""
        async with work.once() as unit:
            known = await people.revoke_key(unit.connection, id_from_path(id, "store"), id_from_path(key_id, "key"))
        if not known:
            raise not_found("key")
        parts.identity.forget()
        return Response(status_code=204)


def _add_users(routes: APIRouter, parts: Parts, work: UnitOfWork) -> None:
    @routes.post("/users", status_code=201, responses=docs.USER, openapi_extra=takes(NewUser))
    async def create_user(request: Request) -> Response:
        """A person who signs in with tokens."""
        body, user_id = await read(request, NewUser), uuid7()
        async with work.once() as unit:
            made = await people.insert_user(unit.connection, user_id, body.email, body.subject or str(user_id))
        if not made:
            raise Problem("conflict", "A user with this email or subject is there already.")
        return answer({"id": user_id, "email": body.email}, 201)

    @routes.post("/users/{id}/tokens", status_code=201, responses=docs.TOKEN)
    async def create_token(id: str) -> Response:
        """A token of the development issuer; local installations only."""
        subject = await people.subject_of(parts.pool, id_from_path(id, "user"))
        if subject is None:
            raise not_found("user")
        if parts.dev_issuer is None:
            raise Problem("conflict", "This installation has no development issuer: tokens come from outside.")
        return answer({"token": parts.dev_issuer.issue(subject, now=datetime.now(UTC))}, 201)

    @routes.patch("/users/{id}", responses=docs.USER_STATE, openapi_extra=takes(UserChange))
    async def change_user(request: Request, id: str) -> Response:
        """Disables an account, or enables it again."""
        user_id, body = id_from_path(id, "user"), await read(request, UserChange)
        async with work.once() as unit:
            known = await people.set_disabled(unit.connection, user_id, disabled=body.disabled)
        if not known:
            raise not_found("user")
        parts.identity.forget()
        return answer({"id": user_id, "disabled": body.disabled})


def _add_workspaces(routes: APIRouter, _: Parts, work: UnitOfWork) -> None:
    @routes.post("/workspaces", status_code=201, responses=docs.WORKSPACE, openapi_extra=takes(NewWorkspace))
    async def create_workspace(request: Request) -> Response:
        """A workspace and who belongs to it."""
        body, workspace_id = await read(request, NewWorkspace), uuid7()
        members = set(body.member_ids)
        async with work.once() as unit:
            if not await people.insert_workspace(unit.connection, workspace_id, body.name, members):
                raise not_found("user among the members")
        return answer({"id": workspace_id, "name": body.name, "member_ids": sorted(members)}, 201)


async def _give_key(unit: Work, store_id: UUID, parts: Parts) -> tuple[UUID, str]:
    """A fresh key for the store; it is shown now and never again. Raises Problem 409 past two active ones."""
    key = api_keys.new_key()
    digest = api_keys.digest_of(key, parts.settings.key_pepper.get_secret_value())
    stored = StoredKey(uuid7(), store_id, digest)
    if not await people.insert_key(unit.connection, stored, api_keys.prefix_of(key) or ""):
        raise Problem("conflict", f"A store has at most {people.KEYS_ACTIVE_MAX} active keys; revoke one first.")
    return stored.id, key
