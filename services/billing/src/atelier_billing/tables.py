"""The tables of billing. Postings are the source of truth; accounts, grants and holds are their sums."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    Index,
    Integer,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
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
        {"postgresql_with": {"fillfactor": "50"}},
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
        # Not on "remaining > 0": each change of an indexed column, in the condition too, writes every index of the row.
        Index("grants_owner_unspent", "owner_id", postgresql_where=text("NOT is_spent")),
        Index("grants_expiring", "expires_at", postgresql_where=text("NOT is_spent")),
        {"postgresql_with": {"fillfactor": "50"}},
    )

    id: UUID = Field(primary_key=True)
    owner_id: UUID = Field(foreign_key="accounts.owner_id")
    credits: int = Field(sa_column=_credits(None))
    remaining: int = Field(sa_column=_credits(None))
    priority: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))
    expires_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    reason: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=_NOW))
    is_spent: bool = Field(sa_column=Column(Boolean, Computed("remaining = 0", persisted=True), nullable=False))


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
        Index("holds_capped", "owner_id", "capped_at", postgresql_where=text("capped_at IS NOT NULL")),
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
    kind: str | None = Field(sa_column=Column(Text))
    """Of the work. What usage is grouped by; earlier holds have it in their receipts."""
    provider: str | None = Field(sa_column=Column(Text))
    model: str | None = Field(sa_column=Column(Text))
    """Who made it, once it is settled; null where nothing was made, or by no model with a name."""
    key_id: UUID | None = Field(default=None)
    """The API key that it was created with; null where it was none, and on holds from before this column."""
    caps: list[UUID] | None = Field(sa_column=Column(ARRAY(Uuid)))
    """Under which it was reserved; None without any."""
    capped_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    """The moment of whose periods it counts."""


class CapRow(SQLModel, table=True):
    """The most credits that one spender of an account may have held and captured in a period, and what counts towards
    it in the period that began at ``since``: the sum of ``held``, in which all is counted, and ``captured``, to which
    an earlier version moved what was settled. Changed under the lock of the account."""

    __tablename__ = "caps"
    __table_args__ = (
        CheckConstraint("owner_kind IN ('store', 'user', 'workspace')", name="caps_owner_kind"),
        CheckConstraint("period IN ('day', 'month', 'total')", name="caps_period"),
        CheckConstraint("credits >= 0", name="caps_credits"),
        UniqueConstraint("owner_id", "spender_id", "period", name="caps_spender"),
    )

    id: UUID = Field(primary_key=True)
    owner_kind: str = Field(sa_column=Column(Text, nullable=False))
    owner_id: UUID
    spender_kind: str = Field(sa_column=Column(Text, nullable=False))
    spender_id: UUID
    period: str = Field(sa_column=Column(Text, nullable=False))
    credits: int = Field(sa_column=_credits(None))
    since: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    held: int = Field(sa_column=_credits())
    captured: int = Field(sa_column=_credits())
    warned: int = Field(sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    """The last percentage that was announced in this period."""
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=_NOW))


class CapOrderRow(SQLModel, table=True):
    """When the latest command about a cap was ordered, by the gateway's clock: one that is older has no effect. It
    outlives the cap, so that no order of before its removal sets it again."""

    __tablename__ = "cap_orders"

    cap_id: UUID = Field(primary_key=True)
    ordered_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


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
    ordered: int | None = Field(default=None, sa_column=Column(BigInteger))
    """The credits that the command named, 0 where it named none; null on rows from before this column."""
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
