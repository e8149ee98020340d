"""The cap of a client token: what it makes never holds and costs more than that, however many requests come at once.

The token's row is locked in the transaction that writes the generation. What it has used is counted there: the price of
what runs, the charge of what has ended. So what is refunded can be spent again, and nothing has to be given back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from atelier_gateway.identity import client_token_store
from atelier_gateway.identity.client_token_store import TokenUse
from atelier_messaging.database import Connection


@dataclass(frozen=True, slots=True)
class TokenRefused:
    """Nothing was written: the token has ended, or ``used`` of the ``cap`` leaves too little."""

    cap: int
    used: int
    has_ended: bool = False


async def take(connection: Connection, wanted: Sequence[TokenUse]) -> dict[UUID, TokenRefused]:
    """Takes the credits of each generation that its token has room for, in their order; the others by generation id,
    with the reason."""
    if not wanted:
        return {}
    tokens = await client_token_store.lock(connection, {use.token.id for use in wanted})
    used = await client_token_store.find_used(connection, tokens)
    taken, refused = list[TokenUse](), dict[UUID, TokenRefused]()
    for use in wanted:
        id_, token = use.token.id, tokens.get(use.token.id)
        if token is None or token.suspended or not token.is_live():
            refused[use.generation_id] = TokenRefused(use.token.credits, used.get(id_, 0), has_ended=True)
        elif used.get(id_, 0) + use.credits > token.credits:
            refused[use.generation_id] = TokenRefused(token.credits, used.get(id_, 0))
        else:
            used[id_] = used.get(id_, 0) + use.credits
            taken.append(use)
    await client_token_store.insert_uses(connection, taken)
    return refused
