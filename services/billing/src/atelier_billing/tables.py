"""The tables of billing. Postings are the source of truth; accounts, grants and holds are their sums."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, DateTime, Index, Integer, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

import atelier_billing.proof.tables  # noqa: F401 - one schema
import atelier_messaging.tables  # noqa: F401 - outbox and inbox belong to every service's schema

_NOW = text("now()")


def _credits(default: str | None = "0") -> Column[int]:
    return Column(BigInteger, nullable=False, server_default=default)


class AccountRow(SQLModel, table=True):
    """One owner's balances in credits: the sums of its postings, moved in the same transaction, never assigned."""

    __tablename__ = "accounts"
    __table_args__ = (
        CheckConstraint("granted <= 0", name="accounts_granted"),
        CheckConstraint("LEAST(available, held, captured, expired) >= 0", name="accounts_not_overdrawn"),
        CheckConstraint("granted + available + held + captured + expired = 0", name="accounts_sum_to_zero"),
        CheckConstraint("owner_kind IN ('store', 'user', 'workspace')", name="accounts_owner_kind"),
    )

    owner_id: UUID = Field(primary_key=True)
    owner_kind: str = Field(sa_column=Column(Text, nullable=False))
    granted: int = Field(sa_column=_credits())
    available: int = Field(sa_column=_credits())
    held: int = Field(sa_column=_credits())
    captured: int = Field(sa_column=_credits())
    expired: int = Field(sa_column=_credits())


class GrantRow(SQLModel, table=True):
    """Credits given at once. ``remaining`` of them are available now; lower ``priority`` and sooner expiry go first."""

    __tablename__ = "grants"
    __table_args__ = (
        CheckConstraint("credits > 0", name="grants_credits"),
        CheckConstraint("remaining BETWEEN 0 AND credits", name="grants_remaining"),
        Index("grants_owner_left", "owner_id", postgresql_where=text("remaining > 0")),
        Index("grants_due", "expires_at", postgresql_where=text("remaining > 0")),
    )

    id: UUID = Field(primary_key=True)
    owner_id: UUID = Field(foreign_key="accounts.owner_id")
    credits: int = Field(sa_column=_credits(None))
    remaining: int = Field(sa_column=_credits(None))
    priority: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))
    expires_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    reason: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=_NOW))


class HoldRow(SQLModel, table=True):
    """Credits set aside for one generation. Settled once; a tombstone has no owner and holds nothing."""

    __tablename__ = "holds"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'captured', 'refunded')", name="holds_state"),
        CheckConstraint("captured >= 0 AND refunded >= 0", name="holds_not_negative"),
        CheckConstraint(
            "captured + refunded = CASE WHEN state = 'open' THEN 0 ELSE unit_credits * units END",
            name="holds_settled_in_full",
        ),
        CheckConstraint("state = 'captured' OR captured = 0", name="holds_refund_charges_nothing"),
        CheckConstraint("state = 'captured' OR NOT reused", name="holds_reuse_is_charged"),
        Index("holds_open_by_owner", "owner_id", postgresql_where=text("state = 'open'")),
    )

    generation_id: UUID = Field(primary_key=True)
    owner_id: UUID | None = Field(default=None, foreign_key="accounts.owner_id")
    unit_credits: int = Field(sa_column=_credits(None))
    units: int = Field(sa_column=Column(Integer, nullable=False))
    price_book: str = Field(sa_column=Column(Text, nullable=False))
    state: str = Field(sa_column=Column(Text, nullable=False))
    captured: int = Field(sa_column=_credits())
    refunded: int = Field(sa_column=_credits())
    reused: bool = Field(sa_column=Column(Boolean, nullable=False, server_default=text("false")))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=_NOW))
    settled_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))


class PostingRow(SQLModel, table=True):
    """``credits`` moved from account ``debit`` to account ``credit``: it sums to zero by its shape. Append-only."""

    __tablename__ = "postings"
    __table_args__ = (
        CheckConstraint("credits > 0", name="postings_credits"),
        CheckConstraint(
            "(kind, debit, credit) IN (('grant', 'granted', 'available'), ('reserve', 'available', 'held'), "
            "('capture', 'held', 'captured'), ('refund', 'held', 'available'), ('expire', 'available', 'expired'), "
            "('return', 'captured', 'available'), ('take_back', 'available', 'granted'))",
            name="postings_route",
        ),
        Index("postings_generation", "generation_id", postgresql_where=text("generation_id IS NOT NULL")),
        Index("postings_owner", "owner_id", "id"),
        Index(
            "postings_corrections",
            "owner_id",
            "kind",
            postgresql_where=text("kind IN ('return', 'take_back')"),
        ),
    )

    id: UUID = Field(primary_key=True)
    kind: str = Field(sa_column=Column(Text, nullable=False))
    owner_id: UUID = Field(foreign_key="accounts.owner_id")
    grant_id: UUID = Field(foreign_key="grants.id")
    generation_id: UUID | None = Field(default=None)
    debit: str = Field(sa_column=Column(Text, nullable=False))
    credit: str = Field(sa_column=Column(Text, nullable=False))
    credits: int = Field(sa_column=_credits(None))
    posted_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=_NOW))


class CorrectionRow(SQLModel, table=True):
    """A charge returned or a grant taken back, by an operator or a repair, and why. Append-only; its id is posted
    once. ``credits`` is what it moved, nothing where it was refused."""

    __tablename__ = "corrections"
    __table_args__ = (
        CheckConstraint("kind IN ('return', 'take_back')", name="corrections_kind"),
        CheckConstraint("credits >= 0 AND (refused IS NULL OR credits = 0)", name="corrections_credits"),
        CheckConstraint("(kind = 'return') = (generation_id IS NOT NULL)", name="corrections_generation"),
        CheckConstraint("credits = 0 OR owner_id IS NOT NULL", name="corrections_owner"),
    )

    id: UUID = Field(primary_key=True)
    kind: str = Field(sa_column=Column(Text, nullable=False))
    owner_id: UUID | None = Field(default=None, foreign_key="accounts.owner_id")
    generation_id: UUID | None = Field(default=None)
    grant_id: UUID | None = Field(default=None)
    credits: int = Field(sa_column=_credits(None))
    refused: str | None = Field(sa_column=Column(Text))
    reason: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=_NOW))


class UnprovenPostingRow(SQLModel, table=True):
    """A posting that no checkpoint covers yet. A trigger writes it in the transaction of the posting."""

    __tablename__ = "unproven_postings"

    posting_id: UUID = Field(primary_key=True)


class ProvenAccountRow(SQLModel, table=True):
    """What the proven postings of one owner come to: the checkpoint from which ``ledger verify`` starts."""

    __tablename__ = "proven_accounts"

    owner_id: UUID = Field(primary_key=True)
    granted: int = Field(sa_column=_credits())
    available: int = Field(sa_column=_credits())
    held: int = Field(sa_column=_credits())
    captured: int = Field(sa_column=_credits())
    expired: int = Field(sa_column=_credits())
    entries: int = Field(sa_column=_credits())


class LedgerProofRow(SQLModel, table=True):
    """A full proof of the books: a job in slices, one at a time, which any billing process continues."""

    __tablename__ = "ledger_proofs"
    __table_args__ = (
        CheckConstraint("state IN ('running', 'passed', 'failed')", name="ledger_proofs_state"),
        CheckConstraint("step IN ('balances', 'holds', 'postings', 'done')", name="ledger_proofs_step"),
        Index("ledger_proofs_running", "state", unique=True, postgresql_where=text("state = 'running'")),
    )

    id: UUID = Field(primary_key=True)
    state: str = Field(sa_column=Column(Text, nullable=False))
    step: str = Field(sa_column=Column(Text, nullable=False))
    position: UUID | None = Field(default=None)
    """The last row of this step that was checked."""
    checked: int = Field(sa_column=_credits())
    total: int = Field(sa_column=_credits(None))
    """Rows to check in all, as counted at the start."""
    accounts: int = Field(sa_column=_credits())
    entries: int = Field(sa_column=_credits())
    violations: list[str] = Field(sa_column=Column(JSONB, nullable=False, server_default="[]"))
    started_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=_NOW))
    ended_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
