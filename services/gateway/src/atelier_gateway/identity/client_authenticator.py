"""Authenticates client tokens: that they are good, that their page is one that they are for, that they may do this."""

import time
from collections.abc import Collection

from starlette.requests import Request

from atelier_gateway.identity import api_keys, client_token_store
from atelier_gateway.identity.client_tokens import ClientScope, ClientToken
from atelier_gateway.identity.ttl_cache import TtlCache
from atelier_gateway.web.cors import OriginGrant
from atelier_gateway.web.problems import Problem, credential_problem
from atelier_messaging.database import Pool

CLIENT_TOKEN_QUERY = "client_token"  # noqa: S105 - the name of a parameter
"""Carries a client token where a browser can send no header: to event streams, and only there."""


class ClientAuthenticator:
    """Believes a token that it has read for as long as a key (``ttl_cache.py``). Its expiry is exact."""

    def __init__(self, pool: Pool, pepper: str, *, own_origin: str) -> None:
        """``own_origin``: of the pages that this gateway serves, whose browsers name no origin when they read."""
        self._pool = pool
        self._pepper = pepper
        self._own_origin = own_origin
        self._tokens: TtlCache[bytes, ClientToken] = TtlCache()
        self._origins: TtlCache[str, bool] = TtlCache()

    async def authorize(self, request: Request, key: str, scopes: Collection[ClientScope] = ()) -> ClientToken:
        """The token, if it is good, comes from a page that it is for, and has all of these scopes. Raises Problem 401,
        403. A page that it is for may read the answer in any case, so that it learns that its token has ended."""
        grant: OriginGrant | None = request.scope.get(OriginGrant.KEY)
        token = await self._find(self.digest_of(key), api_keys.prefix_of(key, api_keys.CLIENT))
        if grant is not None and grant.origin in token.origins:
            grant.is_allowed = True
        _check_live(token)
        self._check_origin(token, request.headers.get("Origin"))
        if missing := [scope for scope in scopes if scope not in token.scopes]:
            raise Problem("token_scope", f"This client token may not {missing[0]}.")
        return token

    async def find_live(self, key: str) -> ClientToken:
        """The token, if it is good. Raises Problem 401, 403."""
        token = await self._find(self.digest_of(key), api_keys.prefix_of(key, api_keys.CLIENT))
        _check_live(token)
        return token

    async def is_live(self, token: ClientToken | None) -> bool:
        """Whether what a long answer began with is still good; it is where that was no client token."""
        if token is None:
            return True
        try:
            _check_live(await self._find(token.digest, token.prefix))
        except Problem:
            return False
        return True

    async def is_origin(self, origin: str) -> bool:
        """Whether a token that is good now is for pages of this origin."""
        if self._origins.get(origin):
            return True
        as_of = time.monotonic()
        found = await client_token_store.has_origin(self._pool, origin)
        if found:
            self._origins.set(origin, True, as_of=as_of)
        return found

    def digest_of(self, key: str) -> bytes:
        """What is kept of a token."""
        return api_keys.digest_of(key, self._pepper)

    def forget(self, digest: bytes) -> None:
        """Reads this token again before it is believed."""
        self._tokens.discard(digest)

    def clear_cache(self) -> None:
        """Reads every token again before it is believed."""
        self._tokens.clear()

    async def _find(self, digest: bytes, prefix: str | None) -> ClientToken:
        """The token as the table had it a moment ago, good or not. Raises Problem 401 where there is none."""
        if known := self._tokens.get(digest):
            return known
        as_of = time.monotonic()
        token = await client_token_store.find_by_prefix(self._pool, prefix) if prefix else None
        if not api_keys.is_same(digest, token.digest if token else None) or token is None:
            raise credential_problem()
        self._tokens.set(digest, token, as_of=as_of)
        return token

    def _check_origin(self, token: ClientToken, origin: str | None) -> None:
        is_ours = origin is None or origin == self._own_origin
        if is_ours and (not token.origins or self._own_origin in token.origins):
            return
        if origin is None or origin not in token.origins:
            raise Problem("origin_refused", "This client token is not for pages of this origin.")


def client_key_of(credential: str | None) -> str | None:
    """The credential, if it looks like a client token."""
    return credential if credential is not None and credential.startswith(f"{api_keys.CLIENT}_") else None


def _check_live(token: ClientToken) -> None:
    if not token.is_live():
        raise credential_problem()
    if token.suspended:
        raise Problem("account_disabled", "This store is suspended; ask the operator.")
