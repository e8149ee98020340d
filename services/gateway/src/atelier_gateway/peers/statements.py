"""Client of billing's statements: lines of JSON that are passed on as they come."""

from datetime import datetime
from urllib.parse import urlencode

import httpx

from atelier_contracts import Owner
from atelier_gateway.peers.client import PeerClient

PIECE_S_MAX = 60.0
"""How long billing may take to add up the balances, and for each page of postings."""


async def open_statement(peers: PeerClient, owner: Owner, since: datetime, until: datetime) -> httpx.Response | None:
    """The statement of a period, whose lines are still to be read; None before it has begun. Raises PeerUnavailable."""
    asked = urlencode({"since": since.isoformat(), "until": until.isoformat()})
    path = f"/internal/accounts/{owner.kind}/{owner.id}/statement?{asked}"
    return await peers.open_stream("billing", path, timeout_s=PIECE_S_MAX)
