"""Routes for operators: stores and their API keys."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from atelier_gateway.container import Container
from atelier_gateway.identity import api_keys, stores, users
from atelier_gateway.identity.api_keys import StoredKey
from atelier_gateway.surfaces.admin import openapi
from atelier_gateway.surfaces.admin.access import operators_routes, record
from atelier_gateway.surfaces.admin.requests import NewApiKey, NewStore, StoreChange
from atelier_gateway.surfaces.admin.responses import list_response
from atelier_gateway.web.json_bodies import (
    body_schema,
    id_from_path,
    json_response,
    parse_body,
)
from atelier_gateway.web.problems import Problem, not_found
from atelier_messaging import Transaction, UnitOfWork


def router(container: Container) -> APIRouter:
    """Routes under ``/v1/admin/stores``, for operators."""
    routes = operators_routes(container, "/stores")
    for add in (_add_stores, _add_one_store, _add_keys):
        add(routes, container, container.bus.unit)
    return routes


def _add_stores(routes: APIRouter, container: Container, unit: UnitOfWork) -> None:
    @routes.post("", status_code=201, responses=openapi.STORE_CREATED, openapi_extra=body_schema(NewStore))
    async def create_store(request: Request) -> Response:
        """Create a store with its first API key. The key is in this answer only."""
        body, store_id = await parse_body(request, NewStore), uuid7()
        async with unit.once() as tx:
            await stores.insert(tx.connection, store_id, body.name)
            key_id, key = await _issue_key(tx, store_id, body.key_name, container)
            await record(tx, request, "store.create", "store", store_id, name=body.name, key_id=str(key_id))
        return json_response({"id": store_id, "name": body.name, "key_id": key_id, "api_key": key}, 201)

    @routes.get("", responses=openapi.STORES, openapi_extra=openapi.PAGED)
    async def list_stores(request: Request) -> Response:
        """List all stores, newest first."""
        return await list_response(
            request, lambda before, limit: stores.list_page(container.pool, before=before, limit=limit)
        )


def _add_one_store(routes: APIRouter, container: Container, unit: UnitOfWork) -> None:
    @routes.get("/{id}", responses=openapi.STORE)
    async def get_store(id: str) -> Response:
        """Get a store."""
        return json_response(_store_view(await stores.find(container.pool, id_from_path(id, "store"))))

    @routes.patch("/{id}", responses=openapi.STORE_CHANGED, openapi_extra=body_schema(StoreChange))
    async def update_store(request: Request, id: str) -> Response:
        """Suspend or restore a store.

        The keys of a suspended store are answered 403 within 5 s; work in progress continues.
        """
        store_id, body = id_from_path(id, "store"), await parse_body(request, StoreChange)
        async with unit.once() as tx:
            changed = _store_view(await stores.set_suspended(tx.connection, store_id, suspended=body.suspended))
            await record(tx, request, "store.suspend" if body.suspended else "store.restore", "store", store_id)
        container.authenticator.clear_cache()
        return json_response(changed)


def _add_keys(routes: APIRouter, container: Container, unit: UnitOfWork) -> None:
    @routes.get("/{id}/keys", responses=openapi.KEYS, openapi_extra=openapi.PAGED)
    async def list_store_keys(request: Request, id: str) -> Response:
        """List the keys of a store, newest first, with the revoked ones.

        When a key was last used is accurate to a minute.
        """
        store_id = id_from_path(id, "store")
        if not await users.exists(container.pool, "store", store_id):
            raise not_found("store")
        return await list_response(
            request, lambda before, limit: stores.list_keys(container.pool, store_id, before=before, limit=limit)
        )

    @routes.post(
        "/{id}/keys", status_code=201, responses=openapi.NEW_KEY, openapi_extra=body_schema(NewApiKey, required=False)
    )
    async def create_store_key(request: Request, id: str) -> Response:
        """Create a second key for a store, to replace the first without an interruption, or a key of its test account.
        At most two of each are active."""
        store_id = id_from_path(id, "store")
        body = await parse_body(request, NewApiKey) if await request.body() else NewApiKey()
        async with unit.once() as tx:
            if not await stores.lock(tx.connection, store_id):
                raise not_found("store")
            key_id, key = await _issue_key(tx, store_id, body.name, container, is_test=body.test)
            about = {"key_id": str(key_id), "name": body.name} | ({"test": True} if body.test else {})
            await record(tx, request, "key.create", "store", store_id, **about)
        return json_response({"id": key_id, "name": body.name, "test": body.test, "api_key": key}, 201)

    @routes.delete("/{id}/keys/{key_id}", status_code=204, responses=openapi.NO_KEY)
    async def revoke_store_key(request: Request, id: str, key_id: str) -> Response:
        """Revoke a key of a store, named by its id or its prefix. It is unknown within 5 s."""
        store_id = id_from_path(id, "store")
        async with unit.once() as tx:
            revoked = await stores.revoke_key(tx.connection, store_id, _key_name(key_id))
            if revoked is None:
                raise not_found("key")
            await record(tx, request, "key.revoke", "store", store_id, key_id=str(revoked.id), name=revoked.name)
        container.authenticator.clear_cache()
        return Response(status_code=204)


async def _issue_key(
    tx: Transaction, store_id: UUID, name: str, container: Container, *, is_test: bool = False
) -> tuple[UUID, str]:
    """A new key for the store; it is shown once. Raises Problem 409 past two active ones of its mode."""
    key = api_keys.new_key(is_test=is_test)
    digest = api_keys.digest_of(key, container.settings.key_pepper.get_secret_value())
    stored = StoredKey(uuid7(), store_id, digest, is_test=is_test)
    if not await stores.insert_key(tx.connection, stored, api_keys.prefix_of(key) or "", name):
        mode = "test " if is_test else ""
        raise Problem("conflict", f"A store has at most {stores.KEYS_ACTIVE_MAX} active {mode}keys; revoke one first.")
    return stored.id, key


def _key_name(text: str) -> str:
    """The id as the table writes it, or the prefix of the key without ``atl_``. Raises Problem 404."""
    return api_keys.bare_prefix(text) or str(id_from_path(text, "key"))


def _store_view(store: stores.Store | None) -> dict[str, Any]:
    if store is None:
        raise not_found("store")
    return asdict(store)
