"""Statements: all that happened to an account in a period, as lines that are read, hashed and sent page by page.

A statement is signed only if its postings lead from the opening to the closing balance, which were read apart from
them. Otherwise it ends without a signature, which no reader takes for a statement.
"""

import logging
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from atelier_billing import statement_store
from atelier_billing.proof.issuer import ReceiptIssuer
from atelier_billing.proof.receipts import LedgerPosting, posting_leaf
from atelier_billing.proof.signing_keys import SigningKeys
from atelier_billing.proof.statement_lines import StatementLines, header_line, receipt_line, usage_line
from atelier_billing.slow_reads import SlowReads
from atelier_billing.statement_store import Balances, StatementBounds
from atelier_billing.usage import Period, TooManyGroups, UsageReader
from atelier_contracts import Owner
from atelier_messaging.database import Pool

BY = ("day", "key", "kind", "model")
COARSE = ("day",)
"""What usage is grouped by where it has more groups than are read at once."""
BEGINNING = UUID(int=0)
logger = logging.getLogger(__name__)


class StatementContradicted(Exception):
    """The postings do not lead from the opening to the closing balance."""


@dataclass(frozen=True, slots=True)
class OpenStatement:
    """A statement that can be written: nothing more can be posted into its period. ``is_over``: it is as long as was
    asked for."""

    owner: Owner
    period: Period
    bounds: StatementBounds
    is_over: bool


class StatementWriter:
    """Writes statements, signed with the current key, for the log of this name."""

    def __init__(self, pool: Pool, issuer: ReceiptIssuer, keys: SigningKeys, usage: UsageReader, log: str) -> None:
        self._reads = SlowReads(pool)
        self._issuer = issuer
        self._keys = keys
        self.usage = usage
        self._log = log

    async def open(self, owner: Owner, period: Period) -> OpenStatement | None:
        """The statement of the period, or of the part of it that has passed; None before it has begun."""
        until = await statement_store.closed_until(self._reads, period.until)
        if until <= period.since:
            return None
        passed = Period(period.since, until)
        bounds = await statement_store.read_bounds(self._reads, owner, passed)
        return OpenStatement(owner, passed, bounds, is_over=until == period.until)

    async def write(self, statement: OpenStatement) -> AsyncIterator[bytes]:
        """Its lines, some at once. Raises StatementContradicted in the place of the last."""
        lines, balances = StatementLines(self._keys), dict(statement.bounds.opening)
        yield lines.add(
            header_line(
                statement.owner,
                statement.period,
                statement.bounds.opening,
                is_over=statement.is_over,
                issued_at=datetime.now(UTC),
                log=self._log,
            )
        )
        after = BEGINNING
        while page := await statement_store.read_page(self._reads, statement.owner, statement.period, after):
            _apply_all(balances, page)
            receipts = await self._receipts_after(statement.period, page)
            yield b"".join(lines.add(body) for body in (*map(posting_leaf, page), *receipts))
            after = page[-1].id
        if balances != statement.bounds.closing:
            logger.error("statement of %s not signed: its postings lead to %s", statement.owner, balances)
            raise StatementContradicted(str(statement.owner.id))
        usage = await self._usage_lines(statement)
        yield b"".join(map(lines.add, usage)) + lines.sign(balances)

    async def _receipts_after(self, period: Period, page: list[LedgerPosting]) -> list[bytes]:
        """The receipts that follow the postings of this page; one that is due is issued first."""
        generations = await statement_store.list_settled_last(self._reads, period, page)
        if not generations:
            return []
        for generation in await statement_store.list_due(self._reads, generations):
            await self._issuer.find(generation)
        return [receipt_line(receipt) for receipt in await statement_store.read_receipts(self._reads, generations)]

    async def _usage_lines(self, statement: OpenStatement) -> list[bytes]:
        try:
            sums = await self.usage.sums(statement.period, BY, owner=statement.owner)
        except TooManyGroups:
            sums = await self.usage.sums(statement.period, COARSE, owner=statement.owner)
        return [usage_line(each) for each in sums]


def _apply_all(balances: Balances, page: Iterable[LedgerPosting]) -> None:
    for posting in page:
        statement_store.apply(balances, posting.debit, posting.credit, posting.credits)
