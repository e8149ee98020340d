"""From a request's headers to the principal it acts for. Unknown, malformed and revoked credentials answer alike."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from starlette.datastructures import Headers
from starlette.requests import Request

from atelier_contracts import Channel, Owner, Spender
from atelier_gateway.identity import api_keys, stores, tokens, users
from atelier_gateway.identity.api_keys import StoredKey
from atelier_gateway.identity.client_authenticator import CLIENT_TOKEN_QUERY, ClientAuthenticator, client_key_of
from atelier_gateway.identity.client_tokens import ClientScope, ClientToken
from atelier_gateway.identity.key_cache import KeyCache
from atelier_gateway.identity.last_use import LastUse
from atelier_gateway.identity.tokens import Issuer
from atelier_gateway.identity.ttl_cache import TtlCache
from atelier_gateway.identity.users import User
from atelier_gateway.web.problems import Problem, credential_problem
from atelier_gateway.web.request_facts import note_owner
from atelier_messaging.database import Pool

API_KEY_HEADER = "X-API-Key"
WORKSPACE_HEADER = "X-Workspace-Id"


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller: the owner of what the request creates, who pays for it, and the channel (ADR-4)."""

    owner: Owner
    channel: Channel
    client: ClientToken | None = None
    """The client token that the request came with: it may do less than the owner."""
    spenders: tuple[Spender, ...] = ()
    """The spenders of the owner's credits, beside the owner: the key, or the member of the workspace."""

    @property
    def audience(self) -> str | None:
        """Of the client token; None for the owner itself, who may see everything of theirs."""
        return self.client.audience if self.client else None

    def keyed_route(self, route: str) -> str:
        """The route as an Idempotency-Key is known by it: each audience of client tokens has keys of its own."""
        return route if self.client is None else f"{route} {self.client.audience}"

    def sees(self, request: Mapping[str, Any]) -> bool:
        """Whether the caller may read the owner's generation that was requested so."""
        return self.client is None or self.client.made(request)


class Authenticator:
    """Authenticates requests."""

    def __init__(self, pool: Pool, pepper: str, issuers: tuple[Issuer, ...], clients: ClientAuthenticator) -> None:
        self._pool = pool
        self._pepper = pepper
        self._issuers = issuers
        self.clients = clients
        self.key_use = LastUse(partial(stores.note_use, pool))
        self._keys = KeyCache(pool)
        self._users: TtlCache[str, User] = TtlCache()
        self._members: TtlCache[tuple[UUID, UUID], bool] = TtlCache()

    async def authenticate_store(self, headers: Headers) -> Principal:
        """The store whose API key the request carries. Raises Problem 401, or 403 for a suspended store."""
        key = await self.authenticate_key(headers)
        return Principal(key.owner, "b2b", spenders=(Spender(kind="key", id=key.id),))

    async def authenticate_key(self, headers: Headers) -> StoredKey:
        """The API key itself. Raises Problem 401, or 403 for a suspended store."""
        key = headers.get(API_KEY_HEADER) or bearer_of(headers)
        if key is None:
            raise credential_problem()
        stored = await self._find_key(key)
        self.key_use.record(stored.id)
        note_owner(stored.owner)
        if stored.suspended:
            raise Problem("account_disabled", "This store is suspended; ask the operator.")
        return stored

    async def authenticate_user(self, headers: Headers) -> User:
        """The person whose token the request carries. Raises Problem 401, or 403 for a disabled account."""
        token = bearer_of(headers)
        if token is None:
            raise credential_problem()
        try:
            subject = await tokens.subject_of(token, self._issuers)
        except tokens.InvalidToken:
            raise credential_problem() from None
        user = await self._find_user(subject)
        note_owner(Owner(kind="user", id=user.id))
        if user.disabled:
            raise Problem("account_disabled", "This account is disabled; ask the operator.")
        return user

    async def authenticate(self, headers: Headers) -> Principal:
        """A store by its key, or a user by their token, for themselves or for a workspace they belong to. Client tokens
        are refused here (403): ``authenticate_client`` is for the few routes that take one."""
        bearer = bearer_of(headers)
        if (client := client_key_of(headers.get(API_KEY_HEADER) or bearer)) is not None:
            await self.clients.find_live(client)
            raise Problem("token_scope", "This route takes no client token; use a key on your server.")
        if API_KEY_HEADER in headers or (bearer or "").startswith("atl_"):
            principal = await self.authenticate_store(headers)
            if WORKSPACE_HEADER in headers:
                raise _not_a_member()
            return principal
        user = await self.authenticate_user(headers)
        if (workspace := headers.get(WORKSPACE_HEADER)) is None:
            return _principal_of(user)
        return await self.authorize_member(user, workspace)

    async def authenticate_client(self, request: Request, *scopes: ClientScope, takes_query: bool = False) -> Principal:
        """The same, or the store by a client token that has all of these scopes and comes from a page that it is for;
        in the query, too, where ``takes_query``. Raises Problem 401, 403."""
        headers = request.headers
        key = client_key_of(headers.get(API_KEY_HEADER) or bearer_of(headers))
        if key is None and takes_query:
            key = client_key_of(request.query_params.get(CLIENT_TOKEN_QUERY))
        if key is None:
            return await self.authenticate(headers)
        if WORKSPACE_HEADER in headers:
            raise _not_a_member()
        token = await self.clients.authorize(request, key, scopes)
        note_owner(token.owner)
        return Principal(token.owner, "b2b", token, token.spenders)

    async def user_principal(self, headers: Headers) -> Principal:
        """The user, acting for themselves. Raises Problem 401, or 403 for a disabled account."""
        return _principal_of(await self.authenticate_user(headers))

    async def authorize_member(self, user: User, workspace: str) -> Principal:
        """The user acting for a workspace. Raises Problem 403, for an unknown workspace as for a foreign one."""
        owner = Owner(kind="workspace", id=await self._check_membership(workspace, user))
        note_owner(owner)
        return Principal(owner, "b2c", spenders=(Spender(kind="user", id=user.id),))

    def clear_cache(self) -> None:
        """Forgets every cached credential: the next request reads it again."""
        self._keys.clear()
        self.clients.clear_cache()
        self._users.clear()
        self._members.clear()

    async def _find_key(self, key: str) -> StoredKey:
        digest = api_keys.digest_of(key, self._pepper)
        if known := self._keys.get(digest):
            return known
        prefix = api_keys.prefix_of(key)
        as_of = time.monotonic()
        stored = await stores.find_key_by_prefix(self._pool, prefix) if prefix else None
        if not api_keys.matches(digest, stored) or stored is None or prefix is None:
            raise credential_problem()
        self._keys.set(digest, prefix, stored, as_of=as_of)
        return stored

    async def _find_user(self, subject: str) -> User:
        if known := self._users.get(subject):
            return known
        as_of = time.monotonic()
        user = await users.user_by_subject(self._pool, subject)
        if user is None:
            raise credential_problem()
        self._users.set(subject, user, as_of=as_of)
        return user

    async def _check_membership(self, text: str, user: User) -> UUID:
        try:
            workspace = UUID(text)
        except ValueError:
            raise _not_a_member() from None
        if not self._members.get((workspace, user.id)):
            as_of = time.monotonic()
            if not await users.is_member(self._pool, workspace, user.id):
                raise _not_a_member()
            self._members.set((workspace, user.id), True, as_of=as_of)
        return workspace


def _principal_of(user: User) -> Principal:
    return Principal(Owner(kind="user", id=user.id), "b2c")


def bearer_of(headers: Headers) -> str | None:
    """The credential of ``Authorization: Bearer``, where there is one."""
    scheme, _, credential = headers.get("Authorization", "").partition(" ")
    return credential.strip() if scheme.lower() == "bearer" and credential.strip() else None


def _not_a_member() -> Problem:
    return Problem("workspace_forbidden", "There is no such workspace, or you do not belong to it.")
