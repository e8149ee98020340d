"""SQL of client tokens, and of the credits that each of them uses."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import asyncpg

from atelier_gateway.identity.api_keys import StoredKey
from atelier_gateway.identity.client_tokens import ClientToken
from atelier_messaging.database import Connection, Pool

KEPT = timedelta(days=1)
"""For which a token that has ended is kept, so that its page still gets that answer."""

_COLUMNS = """
t.id, t.store_id, t.key_id, t.prefix, t.digest, t.scopes, t.end_user, t.credits, t.kinds, t.origins, t.created_at,
t.expires_at, t.is_test, t.revoked_at IS NOT NULL OR k.revoked_at IS NOT NULL AS ended,
s.suspended_at IS NOT NULL AS suspended
"""
_TOKENS = f"""
SELECT {_COLUMNS} FROM client_tokens t JOIN api_keys k ON k.id = t.key_id JOIN stores s ON s.id = t.store_id
"""  # noqa: S608 - constants only
_BY_PREFIX = f"{_TOKENS} WHERE t.prefix = $1"
_OF_STORE = f"{_TOKENS} WHERE t.store_id = $1 AND t.is_test = $2 AND t.id = $3"
_PAGE = f"""
{_TOKENS} WHERE t.store_id = $1 AND t.is_test = $2 AND ($3::uuid IS NULL OR t.id < $3) ORDER BY t.id DESC LIMIT $4
"""
_INSERT = """
INSERT INTO client_tokens (id, store_id, key_id, prefix, digest, scopes, end_user, credits, kinds, origins, expires_at,
                           is_test)
SELECT $1, $2, k.id, $4, $5, $6, $7, $8, $9, $10, now() + make_interval(mins => $11), k.is_test
FROM api_keys k WHERE k.id = $3 AND k.revoked_at IS NULL
RETURNING created_at, expires_at
"""
_REVOKE = """
UPDATE client_tokens SET revoked_at = coalesce(revoked_at, now()) WHERE store_id = $1 AND is_test = $2 AND id = $3
RETURNING digest
"""
_IS_ORIGIN = """
SELECT EXISTS (
    SELECT FROM client_tokens WHERE origins @> ARRAY[$1] AND expires_at > now() AND revoked_at IS NULL
)
"""
_PRUNE = "DELETE FROM client_tokens WHERE expires_at < now() - $1::interval"
_LOCK = f"{_TOKENS} WHERE t.id = ANY($1::uuid[]) ORDER BY t.id FOR UPDATE OF t"
# What has ended counts what was charged for it; what was deleted since is counted as it was then.
_USED = """
SELECT u.token_id, sum(CASE WHEN g.rank = 9 THEN g.credits_captured ELSE u.credits END)::bigint AS credits
FROM client_token_generations u LEFT JOIN generations g ON g.id = u.generation_id
WHERE u.token_id = ANY($1::uuid[]) GROUP BY 1
"""
_INSERT_USES = """
INSERT INTO client_token_generations (generation_id, token_id, owner_id, audience, credits)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::int[])
"""


@dataclass(frozen=True, slots=True)
class TokenUse:
    """Credits that a generation takes of a token's cap until it has ended."""

    generation_id: UUID
    token: ClientToken
    credits: int


async def find_by_prefix(pool: Pool, prefix: str) -> ClientToken | None:
    """The token that is found by this prefix, good or not."""
    row = await pool.fetchrow(_BY_PREFIX, prefix)
    return _token(row) if row else None


async def find(pool: Pool, key: StoredKey, id_: UUID) -> ClientToken | None:
    """The token, if it is of the store and the mode of this key."""
    row = await pool.fetchrow(_OF_STORE, key.store_id, key.is_test, id_)
    return _token(row) if row else None


async def list_page(pool: Pool, key: StoredKey, *, before: UUID | None, limit: int) -> list[ClientToken]:
    """Those of the store and the mode of this key, newest first, with those that have ended within a day."""
    return [_token(row) for row in await pool.fetch(_PAGE, key.store_id, key.is_test, before, limit)]


async def insert(connection: Connection | Pool, new: ClientToken, *, key_id: UUID, minutes: int) -> ClientToken | None:
    """Writes it and returns it with its times, by the database's clock; None where the key has been revoked."""
    values = (new.id, new.store_id, key_id, new.prefix, new.digest, list(new.scopes), new.end_user, new.credits)
    kinds = None if new.kinds is None else list(new.kinds)
    row = await connection.fetchrow(_INSERT, *values, kinds, list(new.origins), minutes)
    return replace(new, created_at=row["created_at"], expires_at=row["expires_at"]) if row else None


async def revoke(pool: Pool, key: StoredKey, id_: UUID) -> bytes | None:
    """Ends the token and returns its digest; None where the key's store and mode have no such token."""
    digest: bytes | None = await pool.fetchval(_REVOKE, key.store_id, key.is_test, id_)
    return digest


async def has_origin(pool: Pool, origin: str) -> bool:
    """Whether any token that is good now is for pages of this origin."""
    return bool(await pool.fetchval(_IS_ORIGIN, origin))


async def prune(pool: Pool) -> None:
    """Forgets those that ended a day ago. What they made stays."""
    await pool.execute(_PRUNE, KEPT)


async def find_used(connection: Connection | Pool, ids: Collection[UUID]) -> dict[UUID, int]:
    """The credits that each of these tokens holds or has spent; none for one that made nothing."""
    return {row["token_id"]: row["credits"] for row in await connection.fetch(_USED, list(ids))}


async def lock(connection: Connection, ids: Collection[UUID]) -> dict[UUID, ClientToken]:
    """The tokens as they are now. Until the transaction ends no other one counts their credits."""
    return {row["id"]: _token(row) for row in await connection.fetch(_LOCK, sorted(ids))}


async def insert_uses(connection: Connection, uses: Sequence[TokenUse]) -> None:
    """Takes the credits of these generations from the caps of their (locked) tokens."""
    await connection.execute(
        _INSERT_USES,
        [use.generation_id for use in uses],
        [use.token.id for use in uses],
        [use.token.owner.id for use in uses],
        [use.token.audience for use in uses],
        [use.credits for use in uses],
    )


def _token(row: asyncpg.Record) -> ClientToken:
    kinds = None if row["kinds"] is None else tuple(row["kinds"])
    return ClientToken(**dict(row) | {"kinds": kinds, "scopes": tuple(row["scopes"]), "origins": tuple(row["origins"])})
