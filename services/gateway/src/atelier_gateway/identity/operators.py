"""From a request's token to the operator who sends it. Unknown, revoked and malformed tokens answer alike."""

import time
from functools import partial
from uuid import UUID

from starlette.datastructures import Headers

from atelier_gateway.identity import api_keys, operator_store
from atelier_gateway.identity.authenticator import bearer_of
from atelier_gateway.identity.last_use import LastUse
from atelier_gateway.identity.operator_store import FIRST_PREFIX, StoredOperator
from atelier_gateway.identity.ttl_cache import TtlCache
from atelier_gateway.web.problems import credential_problem
from atelier_messaging.database import Pool


class OperatorAuthenticator:
    """Authenticates operators."""

    def __init__(self, pool: Pool, pepper: str) -> None:
        self._pool = pool
        self._pepper = pepper
        self._known: TtlCache[bytes, StoredOperator] = TtlCache()
        self._by_id: TtlCache[UUID, StoredOperator] = TtlCache()
        self.token_use = LastUse(partial(operator_store.note_use, pool))

    async def set_first(self, token: str | None) -> None:
        """Makes the first operator, an admin, of the installation's own token; without one there is no such operator
        any more."""
        await operator_store.set_first(self._pool, self.digest_of(token) if token else None)

    async def authenticate(self, headers: Headers) -> StoredOperator:
        """Who sends this request. Raises Problem 401."""
        token = bearer_of(headers)
        if token is None:
            raise credential_problem()
        return await self.authenticate_token(token)

    async def authenticate_token(self, token: str) -> StoredOperator:
        """Whose token this is. Raises Problem 401."""
        digest = self.digest_of(token)
        if not (known := self._known.get(digest)):
            as_of = time.monotonic()
            # The first operator's token is a setting and looks as whoever chose it liked.
            known = await operator_store.find_by_prefix(
                self._pool, api_keys.prefix_of(token, api_keys.OPERATOR) or FIRST_PREFIX
            )
            if not api_keys.is_same(digest, known.digest if known else None) or known is None:
                raise credential_problem()
            self._known.set(digest, known, as_of=as_of)
        self.token_use.record(known.id)
        return known

    async def find(self, id_: UUID) -> StoredOperator | None:
        """The operator with this id as of a moment ago; None once revoked."""
        if not (known := self._by_id.get(id_)):
            as_of = time.monotonic()
            known = await operator_store.find_active(self._pool, id_)
            if known is not None:
                self._by_id.set(id_, known, as_of=as_of)
        return known

    def new_token(self) -> tuple[str, str, bytes]:
        """(token, prefix, digest) of a fresh token; shown once."""
        token = api_keys.new_key(api_keys.OPERATOR)
        return token, api_keys.prefix_of(token, api_keys.OPERATOR) or "", self.digest_of(token)

    def digest_of(self, token: str) -> bytes:
        """What is kept of a token."""
        return api_keys.digest_of(token, self._pepper)

    def clear_cache(self) -> None:
        """Forgets every cached token: the next request reads it again."""
        self._known.clear()
        self._by_id.clear()
