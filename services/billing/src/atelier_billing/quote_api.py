"""Billing's internal HTTP API of quotes: it signs what its own book says."""

from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field, SecretStr
from uuid_utils.compat import uuid7

from atelier_billing import quotes
from atelier_billing.proof import quote_signatures
from atelier_billing.proof.signing_keys import SigningKeys
from atelier_billing.quotes import GOOD_FOR, GOOD_FOR_MAX, Quote
from atelier_contracts import Owner, Work
from atelier_pricing import NoPrice
from atelier_telemetry.operations import require_token


class QuoteOrder(BaseModel):
    """Whose request, and what its price depends on; ``good_for_s``: for a batch, whose creates take longer than a
    quarter of an hour."""

    owner: Owner
    work: Work
    good_for_s: int | None = Field(default=None, ge=1, le=int(GOOD_FOR_MAX.total_seconds()))


def quote_router(keys: SigningKeys, token: SecretStr) -> APIRouter:
    """The route that signs a quote, for holders of the service token."""
    router = APIRouter(prefix="/internal", dependencies=require_token(token), include_in_schema=False)

    @router.post("/quotes")
    async def create_quote(order: QuoteOrder) -> dict[str, Any]:
        """The price of the work for the owner, good for a quarter of an hour or as ordered; 422 without one."""
        priced = quotes.price_of(order.work)
        if isinstance(priced, NoPrice):
            raise HTTPException(422, priced.reason)
        now = datetime.now(UTC).replace(microsecond=0)
        good_for = GOOD_FOR if order.good_for_s is None else timedelta(seconds=order.good_for_s)
        quote = Quote(uuid7(), order.owner, order.work, priced, now, now + good_for)
        return {
            "quote": quote_signatures.sign(keys, quote),
            "credits": priced.credits,
            "price_book": priced.book,
            "expires_at": quote.expires_at,
        }

    return router
