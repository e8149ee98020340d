"""Client tokens: a store's server makes, lists and revokes them; the holder of one sees what it may still do."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import AfterValidator, ConfigDict, Field, JsonValue
from pydantic_core import PydanticCustomError
from starlette.responses import Response
from uuid_utils.compat import uuid7

from atelier_contracts import Kind
from atelier_contracts.value_objects import CREDITS_MAX
from atelier_gateway.container import Container
from atelier_gateway.identity import api_keys, client_token_store
from atelier_gateway.identity.api_keys import StoredKey
from atelier_gateway.identity.authenticator import bearer_of
from atelier_gateway.identity.client_authenticator import client_key_of
from atelier_gateway.identity.client_tokens import ClientScope, ClientToken
from atelier_gateway.rate_limits.request_limits import RequestLimits, with_rate_limits
from atelier_gateway.surfaces.native import client_token_openapi as openapi
from atelier_gateway.surfaces.native.request_rules import request_rules
from atelier_gateway.web.cors import parse_origins
from atelier_gateway.web.json_bodies import (
    RequestBody,
    SingleLine,
    body_schema,
    id_from_path,
    json_response,
    parse_body,
)
from atelier_gateway.web.openapi_responses import CURSOR, LIMIT
from atelier_gateway.web.pagination import parse_page, split_page
from atelier_gateway.web.problems import credential_problem, field_problem, not_found

PREFIX = "/v1/client-tokens"
LIST_MAX = 100
LIST_DEFAULT = 20
ORIGINS_MAX = 10
EXAMPLE: dict[str, JsonValue] = {
    "credits": 20,
    "end_user": "customer-7",
    "origins": ["https://shop.example"],
    "kinds": ["try_on"],
    "minutes": 10,
}


def _origin(text: str) -> str:
    try:
        (origin,) = parse_origins(text)
    except ValueError:
        raise PydanticCustomError("origin", "an origin such as https://shop.example is required") from None
    return origin


class NewClientToken(RequestBody):
    """``POST /v1/client-tokens``: what the token may do, and for how long."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    credits: int = Field(ge=1, le=CREDITS_MAX)
    """The most that what it makes may hold and cost in all."""
    scopes: list[ClientScope] = Field(default=["create", "read"], min_length=1, max_length=2)
    """`create` generations, uploads and quotes; `read` what was made for the same end user."""
    end_user: SingleLine | None = None
    """Your own name of the person it is for. Without one it reads what it made itself."""
    origins: list[Annotated[str, Field(max_length=300), AfterValidator(_origin)]] = Field(
        default_factory=list, max_length=ORIGINS_MAX
    )
    """The pages that may use it. Without any: no page but our own, and programs."""
    kinds: list[Kind] | None = Field(default=None, min_length=1, max_length=10)
    """What it may make; anything where it is absent."""
    minutes: int = Field(default=10, ge=1, le=1_440)
    """How long it is good; an installation may allow less."""


def router(container: Container) -> APIRouter:
    """The routes of client tokens."""
    routes = APIRouter(prefix=PREFIX, tags=["Client tokens"])
    for add in (_add_creation, _add_current, _add_records):
        add(routes, container)
    return routes


def _add_creation(routes: APIRouter, container: Container) -> None:
    rules, minutes_max = request_rules(container.settings), container.settings.client_token_minutes_max

    @routes.post("", status_code=201, responses=openapi.CREATED, openapi_extra=body_schema(NewClientToken))
    async def create_client_token(request: Request) -> Response:
        """Create a client token. The token is in this answer only; give it to one page or app of one person."""
        return await with_rate_limits(container.rate_limiter, lambda gate: create(request, gate))

    async def create(request: Request, gate: RequestLimits) -> Response:
        key = await container.authenticator.authenticate_key(request.headers)
        await gate.take(rules.per_owner, f"store:{key.owner.id}")
        body = await parse_body(request, NewClientToken)
        if body.minutes > minutes_max:
            raise field_problem("minutes", f"at most {minutes_max} are allowed here")
        token = api_keys.new_key(api_keys.CLIENT, is_test=key.is_test)
        new = _new(body, key, token, container.authenticator.clients.digest_of)
        made = await client_token_store.insert(container.pool, new, key_id=key.id, minutes=body.minutes)
        if made is None:
            raise credential_problem()
        return json_response({"token": token} | _view(made, used=0), 201)


def _add_current(routes: APIRouter, container: Container) -> None:
    @routes.get("/current", responses=openapi.CURRENT)
    async def get_current_client_token(request: Request) -> Response:
        """Get the client token that this request is sent with: what it may do, and the credits that are left of it."""
        key = client_key_of(bearer_of(request.headers))
        if key is None:
            raise credential_problem()
        return json_response(await _shown(container, await container.authenticator.clients.authorize(request, key)))


def _add_records(routes: APIRouter, container: Container) -> None:
    @routes.get("", responses=openapi.LISTED, openapi_extra={"parameters": [LIMIT, CURSOR]})
    async def list_client_tokens(request: Request) -> Response:
        """List your client tokens, newest first. One that has ended is listed for another day."""
        key = await container.authenticator.authenticate_key(request.headers)
        limit, before = parse_page(request.query_params, default=LIST_DEFAULT, most=LIST_MAX)
        found = await client_token_store.list_page(container.pool, key, before=before, limit=limit + 1)
        page, cursor = split_page(found, limit)
        used = await client_token_store.find_used(container.pool, [token.id for token in page])
        return json_response({"data": [_view(token, used.get(token.id, 0)) for token in page], "next_cursor": cursor})

    @routes.get("/{id}", responses=openapi.SHOWN)
    async def get_client_token(request: Request, id: str) -> Response:
        """Get a client token, without the token itself."""
        key = await container.authenticator.authenticate_key(request.headers)
        token = await client_token_store.find(container.pool, key, id_from_path(id, "client token"))
        if token is None:
            raise not_found("client token")
        return json_response(await _shown(container, token))

    @routes.delete("/{id}", status_code=204, responses=openapi.REVOKED)
    async def revoke_client_token(request: Request, id: str) -> Response:
        """Revoke a client token. It makes nothing from now on, and reads nothing after 5 s; its streams end."""
        key, token_id = (
            await container.authenticator.authenticate_key(request.headers),
            id_from_path(id, "client token"),
        )
        digest = await client_token_store.revoke(container.pool, key, token_id)
        if digest is None:
            raise not_found("client token")
        container.authenticator.clients.forget(digest)
        return Response(status_code=204)


def _new(body: NewClientToken, key: StoredKey, token: str, digest_of: Callable[[str], bytes]) -> ClientToken:
    now = datetime.now(UTC)
    return ClientToken(
        id=uuid7(),
        store_id=key.store_id,
        is_test=key.is_test,
        prefix=api_keys.prefix_of(token, api_keys.CLIENT) or "",
        digest=digest_of(token),
        scopes=tuple(dict.fromkeys(body.scopes)),
        end_user=body.end_user,
        credits=body.credits,
        kinds=None if body.kinds is None else tuple(dict.fromkeys(body.kinds)),
        origins=tuple(dict.fromkeys(body.origins)),
        created_at=now,
        expires_at=now,
    )


async def _shown(container: Container, token: ClientToken) -> dict[str, Any]:
    used = await client_token_store.find_used(container.pool, [token.id])
    return _view(token, used.get(token.id, 0))


def _view(token: ClientToken, used: int) -> dict[str, Any]:
    return {
        "id": str(token.id),
        "prefix": api_keys.shown_prefix(token.prefix, api_keys.CLIENT, is_test=token.is_test),
        "test": token.is_test,
        "is_live": token.is_live() and not token.suspended,
        "scopes": list(token.scopes),
        "end_user": token.end_user,
        "origins": list(token.origins),
        "kinds": None if token.kinds is None else list(token.kinds),
        "credits": {"cap": token.credits, "used": used, "left": max(0, token.credits - used)},
        "created_at": token.created_at.isoformat(),
        "expires_at": token.expires_at.isoformat(),
    }
