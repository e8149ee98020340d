"""Who can spend an owner's credits, so that a cap on them makes sense.

A further kind of spender needs a row here, and its ``Spender`` in the ``Principal`` of the requests it makes.
"""

from collections.abc import Mapping

from atelier_contracts import Owner, Spender
from atelier_gateway.identity import users
from atelier_messaging.database import Pool

_BELONGS: Mapping[tuple[str, str], str] = {
    ("store", "key"): "SELECT true FROM api_keys WHERE store_id = $1 AND id = $2",
    ("workspace", "user"): "SELECT true FROM workspace_members WHERE workspace_id = $1 AND user_id = $2",
}
"""By the kind of the owner and of the spender: whether the spender is theirs."""


async def is_spender(pool: Pool, owner: Owner, spender: Spender) -> bool:
    """Whether there is such an owner, and this is the owner or a person who spends its credits."""
    if spender == Spender(kind=owner.kind, id=owner.id):
        return await users.exists(pool, owner.kind, owner.id)
    query = _BELONGS.get((owner.kind, spender.kind))
    return bool(query and await pool.fetchval(query, owner.id, spender.id))
