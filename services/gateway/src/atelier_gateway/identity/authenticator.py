"""From a request's headers to the principal it acts for. Unknown, malformed and revoked credentials answer alike."""

import time
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from starlette.datastructures import Headers

from atelier_contracts import Channel, Owner
from atelier_gateway.identity import api_keys, stores, tokens, users
from atelier_gateway.identity.api_keys import StoredKey
from atelier_gateway.identity.key_cache import KeyCache
from atelier_gateway.identity.last_use import LastUse
from atelier_gateway.identity.tokens import Issuer
from atelier_gateway.identity.ttl_cache import TtlCache
from atelier_gateway.identity.users import User
from atelier_gateway.web.problems import Problem
from atelier_messaging.database import Pool

API_KEY_HEADER = "X-API-Key"
WORKSPACE_HEADER = "X-Workspace-Id"


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller: the owner of what the request creates, who pays for it, and the channel (ADR-4)."""

    owner: Owner
    channel: Channel


class Authenticator:
    """Authenticates requests."""

    def __init__(self, pool: Pool, pepper: str, issuers: tuple[Issuer, ...]) -> None:
        self._pool = pool
        self._pepper = pepper
        self._issuers = issuers
        self.key_use = LastUse(partial(stores.note_use, pool))
        self._keys = KeyCache(pool)
        self._users: TtlCache[str, User] = TtlCache()
        self._members: TtlCache[tuple[UUID, UUID], bool] = TtlCache()

    async def authenticate_store(self, headers: Headers) -> Principal:
        """The store whose API key the request carries. Raises Problem 401, or 403 for a suspended store."""
        key = headers.get(API_KEY_HEADER) or bearer_of(headers)
        if key is None:
            raise credential_problem()
        return await self._principal_of_key(key)

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
        if user.disabled:
            raise Problem("account_disabled", "This account is disabled; ask the operator.")
        return user

    async def authenticate(self, headers: Headers) -> Principal:
        """A store by its key, or a user by their token, for themselves or for a workspace they belong to."""
        bearer = bearer_of(headers)
        if API_KEY_HEADER in headers or (bearer or "").startswith("atl_"):
            principal = await self.authenticate_store(headers)
            if WORKSPACE_HEADER in headers:
                raise _not_a_member()
            return principal
        user = await self.authenticate_user(headers)
        if (workspace := headers.get(WORKSPACE_HEADER)) is None:
            return _principal_of(user)
        return await self.authorize_member(user, workspace)

    async def user_principal(self, headers: Headers) -> Principal:
        """The user, acting for themselves. Raises Problem 401, or 403 for a disabled account."""
        return _principal_of(await self.authenticate_user(headers))

    async def authorize_member(self, user: User, workspace: str) -> Principal:
        """The user acting for a workspace. Raises Problem 403, for an unknown workspace as for a foreign one."""
        return Principal(Owner(kind="workspace", id=await self._check_membership(workspace, user)), "b2c")

    def clear_cache(self) -> None:
        """Forgets every cached credential: the next request reads it again."""
        self._keys.clear()
        self._users.clear()
        self._members.clear()

    async def _principal_of_key(self, key: str) -> Principal:
        stored = await self._find_key(key)
        self.key_use.record(stored.id)
        if stored.suspended:
            raise Problem("account_disabled", "This store is suspended; ask the operator.")
        return Principal(Owner(kind="store", id=stored.store_id), "b2b")

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


def credential_problem() -> Problem:
    """The one answer for a missing, unknown, malformed and revoked credential."""
    return Problem(
        "unauthorized", "The credential is missing, unknown or no longer valid.", headers={"WWW-Authenticate": "Bearer"}
    )


def _not_a_member() -> Problem:
    return Problem("workspace_forbidden", "There is no such workspace, or you do not belong to it.")
