"""Binding quotes: a price that billing has signed, and honours for its minutes even if the price book changes. Pure.

A quote says whose it is, for which work, and until when; it is good for any number of creates of that owner and work.
How it is signed: ``proof/quote_signatures.py``.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from atelier_contracts import Owner, ReserveCredit, Work
from atelier_contracts.billing import QuoteRefusal
from atelier_pricing import NoPrice, Price, price

GOOD_FOR = timedelta(minutes=15)
GOOD_FOR_MAX = timedelta(days=9)
"""The longest that a quote may be ordered for: a batch's longest window, and a day to spare."""
LATEST = timedelta(days=1)
"""How long after its end a quote is honoured for a request that came in time: a reservation can be that late."""


@dataclass(frozen=True, slots=True)
class Quote:
    """A signed price."""

    id: UUID
    owner: Owner
    work: Work
    price: Price
    issued_at: datetime
    expires_at: datetime


def price_of(work: Work) -> Price | NoPrice:
    """The price in today's book."""
    return price(work.kind, quality=work.quality, size=work.size, n=work.n, characters=work.characters)


def price_under(quote: Quote | None, command: ReserveCredit, now: datetime) -> Price | NoPrice | QuoteRefusal:
    """What the work costs: the quoted price, or today's where that is lower. A refusal where the quote does not hold
    for this request; None stands for one that billing has not signed."""
    today = price_of(command.work)
    if quote is None:
        return "altered"
    if quote.owner != command.owner:
        return "other_owner"
    if quote.work != command.work:
        return "other_request"
    requested_at = command.record.requested_at if command.record else now
    if requested_at >= quote.expires_at or now >= quote.expires_at + LATEST:
        return "expired"
    return today if isinstance(today, Price) and today.credits < quote.price.credits else quote.price
