"""Quotes: billing prices the work from its own book and signs it."""

from typing import Any

from atelier_contracts import Owner, Work
from atelier_gateway.peers.client import PeerClient


async def sign_quote(peers: PeerClient, owner: Owner, work: Work, *, good_for_s: int | None = None) -> dict[str, Any]:
    """``{quote, credits, price_book, expires_at}``; it holds for a quarter of an hour, or for ``good_for_s`` seconds.
    Raises PeerUnavailable."""
    order: dict[str, Any] = {"owner": owner.model_dump(mode="json"), "work": work.model_dump(mode="json")}
    if good_for_s is not None:
        order["good_for_s"] = good_for_s
    return await peers.ask("POST", "billing", "/internal/quotes", order)
