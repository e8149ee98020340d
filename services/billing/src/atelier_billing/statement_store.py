"""The SQL of statements: what an account had before and after a period, and what moved in it, page by page.

Postings never change, so pages that are read one after the other fit together, once nothing more can be posted into the
period. Nothing is locked, and no connection is kept between two pages.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from atelier_billing.books import Account
from atelier_billing.proof.receipt_store import POSTING_COLUMNS, SignedReceipt, receipt_of_row
from atelier_billing.proof.receipts import LedgerPosting
from atelier_billing.slow_reads import SlowReads
from atelier_billing.usage import Period
from atelier_contracts import Owner

PAGE_ROWS = 200
# Postings bear the moment at which their transaction began: what is under way may still post from there on.
_CLOSED_UNTIL = """
SELECT LEAST($1::timestamptz, now() - interval '1 second', (
    SELECT min(xact_start) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()))
"""
_BALANCES = """
SELECT a.granted, a.available, a.held, a.captured, a.expired, (
    SELECT jsonb_agg(m) FROM (
        SELECT posted_at < $3 AS inside, debit, credit, sum(credits)::bigint AS credits
        FROM postings WHERE owner_id = a.owner_id AND id >= $1 AND posted_at >= $2
        GROUP BY 1, 2, 3) m) AS moved
FROM accounts a WHERE a.owner_kind = $4 AND a.owner_id = $5
"""
_PAGE = f"""
SELECT {POSTING_COLUMNS} FROM postings
WHERE owner_id = $6 AND id > $5 AND id >= $1 AND id < $2 AND posted_at >= $3 AND posted_at < $4 ORDER BY id LIMIT $7
"""  # noqa: S608 - constants only
# A generation's receipt follows the last posting of the period that settled it or gave something back.
_SETTLED_LAST = """
SELECT DISTINCT ON (generation_id) generation_id, id FROM postings
WHERE generation_id = ANY($3::uuid[]) AND kind <> 'reserve' AND posted_at >= $1 AND posted_at < $2
ORDER BY generation_id, id DESC
"""
_DUE = "SELECT generation_id FROM unissued_receipts WHERE generation_id = ANY($1::uuid[])"
_RECEIPTS = """
SELECT DISTINCT ON (generation_id) id, generation_id, number, body, packed, key_id, signature FROM receipts
WHERE generation_id = ANY($1::uuid[]) ORDER BY generation_id, number DESC
"""
Balances = dict[str, int]
"""Credits by account; ``granted`` is below zero, as on the books, so that they sum to zero."""


@dataclass(frozen=True, slots=True)
class StatementBounds:
    """What an account had at the two ends of a period."""

    opening: Balances
    closing: Balances


async def closed_until(reads: SlowReads, until: datetime) -> datetime:
    """The moment, ``until`` at the latest, before which nothing can be posted any more."""
    (row,) = await reads.fetch(_CLOSED_UNTIL, until)
    moment: datetime = row[0]
    return moment


async def read_bounds(reads: SlowReads, owner: Owner, period: Period) -> StatementBounds:
    """Balances before and after the period, from one look at the books: today's less what was posted since. An account
    that billing has not met has nothing."""
    first, _, since, until = period.bounds()
    rows = await reads.fetch(_BALANCES, first, since, until, owner.kind, owner.id)
    closing: Balances = dict.fromkeys(Account, 0)
    if not rows:
        return StatementBounds(dict(closing), closing)
    closing = {name.value: rows[0][name.value] for name in Account}
    moved = rows[0]["moved"] or ()
    for move in moved:
        if not move["inside"]:
            apply(closing, move["debit"], move["credit"], -move["credits"])
    opening = dict(closing)
    for move in moved:
        if move["inside"]:
            apply(opening, move["debit"], move["credit"], -move["credits"])
    return StatementBounds(opening, closing)


def apply(balances: Balances, debit: str, credit: str, credits: int) -> None:
    """Moves so many credits."""
    balances[debit] -= credits
    balances[credit] += credits


async def read_page(reads: SlowReads, owner: Owner, period: Period, after: UUID) -> list[LedgerPosting]:
    """The next postings of the account in the period, in the order of their ids."""
    rows = await reads.fetch(_PAGE, *period.bounds(), after, owner.id, PAGE_ROWS)
    return [LedgerPosting(*row) for row in rows]


async def list_settled_last(reads: SlowReads, period: Period, page: Sequence[LedgerPosting]) -> list[UUID]:
    """The generations whose last posting of the period, a reservation aside, stands on this page."""
    settled = {posting.generation_id for posting in page if posting.generation_id and posting.kind != "reserve"}
    ids = {posting.id for posting in page}
    rows = await reads.fetch(_SETTLED_LAST, period.since, period.until, list(settled)) if settled else []
    return [row["generation_id"] for row in rows if row["id"] in ids]


async def list_due(reads: SlowReads, generation_ids: Sequence[UUID]) -> list[UUID]:
    """Those of the generations that have a receipt to come."""
    return [row["generation_id"] for row in await reads.fetch(_DUE, list(generation_ids))]


async def read_receipts(reads: SlowReads, generation_ids: Sequence[UUID]) -> list[SignedReceipt]:
    """The receipts with the highest numbers."""
    return [receipt_of_row(row) for row in await reads.fetch(_RECEIPTS, list(generation_ids))]
