"""SQL of an operator's search among accounts, keys and operators. Bounded: names are looked for in the newest rows."""

from dataclasses import dataclass
from uuid import UUID

from atelier_messaging.database import Pool

NAMES_SEEN_MAX = 10_000

_BY_ID = """
SELECT 'store' AS kind, id, name AS title, NULL::uuid AS parent FROM stores WHERE id = $1
UNION ALL SELECT 'user', id, email, NULL FROM users WHERE id = $1
UNION ALL SELECT 'workspace', id, name, NULL FROM workspaces WHERE id = $1
UNION ALL SELECT 'key', id, name, store_id FROM api_keys WHERE id = $1
UNION ALL SELECT 'operator', id, name, NULL FROM operators WHERE id = $1
UNION ALL SELECT 'dispute', id, reason, generation_id FROM disputes WHERE id = $1
UNION ALL SELECT 'delivery', id, type, generation_id FROM webhook_deliveries WHERE id = $1
"""
_BY_PREFIX = "SELECT 'key' AS kind, id, name AS title, store_id AS parent FROM api_keys WHERE prefix = $1"
_BY_EMAIL = "SELECT 'user' AS kind, id, email AS title, NULL::uuid AS parent FROM users WHERE lower(email) = lower($1)"
_BY_NAME = f"""
(SELECT 'store' AS kind, id, name AS title, NULL::uuid AS parent
 FROM (SELECT id, name FROM stores ORDER BY id DESC LIMIT {NAMES_SEEN_MAX}) s
 WHERE strpos(lower(name), lower($1)) > 0 LIMIT $2)
UNION ALL
(SELECT 'workspace', id, name, NULL
 FROM (SELECT id, name FROM workspaces ORDER BY id DESC LIMIT {NAMES_SEEN_MAX}) w
 WHERE strpos(lower(name), lower($1)) > 0 LIMIT $2)
"""  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that was found. ``parent``: the store of a key, the generation of a dispute or a delivery."""

    kind: str
    id: UUID
    title: str
    parent: UUID | None


async def find_by_id(pool: Pool, id_: UUID) -> list[Hit]:
    """What has this id."""
    return [Hit(**row) for row in await pool.fetch(_BY_ID, id_)]


async def find_key(pool: Pool, prefix: str) -> list[Hit]:
    """The API key that is found by this prefix, revoked or not."""
    return [Hit(**row) for row in await pool.fetch(_BY_PREFIX, prefix)]


async def find_user(pool: Pool, email: str) -> list[Hit]:
    """The user with this address, in whatever case."""
    return [Hit(**row) for row in await pool.fetch(_BY_EMAIL, email)]


async def find_by_name(pool: Pool, text: str, limit: int) -> list[Hit]:
    """Stores and workspaces whose name contains this, ``limit`` of each."""
    return [Hit(**row) for row in await pool.fetch(_BY_NAME, text, limit)]
