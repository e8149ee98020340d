"""Native batches as models, for the API's description."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from atelier_gateway.surfaces.native.openapi import GenerationOutput


class GenerationBatchRowCounts(BaseModel):
    """Rows by how far they are; they add up to ``total``."""

    total: int
    waiting: int
    under_way: int
    succeeded: int
    failed: int
    cancelled: int
    expired: int


class GenerationBatchCredits(BaseModel):
    """``quoted`` is the price of all rows. Of that ``captured`` is charged, ``held`` is set aside for the rows under
    way, and ``remaining`` is neither: once the batch has ended it never will be."""

    quoted: int
    captured: int
    held: int
    remaining: int


class GenerationBatchError(BaseModel):
    """Why a batch failed, by line of its input where it is about one."""

    line: int | None
    code: str
    message: str
    param: str | None


class GenerationBatch(BaseModel):
    """A batch as it is now."""

    id: UUID
    test: bool
    status: Literal[
        "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
    ]
    endpoint: str
    """What each row is: `/v1/generations`, or a path of OpenAI's surface where the batch came by that."""
    rows: GenerationBatchRowCounts
    credits: GenerationBatchCredits
    completion_window_s: int
    metadata: dict[str, str]
    errors: list[GenerationBatchError]
    created_at: datetime
    expires_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    links: dict[str, str]


class GenerationBatchPage(BaseModel):
    """Batches, newest first."""

    data: list[GenerationBatch]
    next_cursor: UUID | None


class GenerationBatchRowCredits(BaseModel):
    """What the row was quoted, and what was charged."""

    quoted: int
    captured: int


class GenerationBatchRowProblem(BaseModel):
    """Why a row brought nothing."""

    code: str
    detail: str


class GenerationBatchRowResult(BaseModel):
    """One row, with its outputs once there are some."""

    row: int
    custom_id: str
    status: Literal["waiting", "under_way", "succeeded", "failed", "cancelled", "expired"]
    generation_id: UUID | None
    """None while it has not begun, and where it never did."""
    credits: GenerationBatchRowCredits
    outputs: list[GenerationOutput]
    error: GenerationBatchRowProblem | None
    ended_at: datetime | None


class GenerationBatchRowPage(BaseModel):
    """Rows in order; `next_cursor` is the number of the last one."""

    data: list[GenerationBatchRowResult]
    next_cursor: str | None


class GenerationBatchQuote(BaseModel):
    """What the whole would cost: one price, of which each row is charged its own once it is delivered."""

    test: bool
    rows: int
    credits: int
    prices: list[dict[str, Any]]
    """How many rows there are of each work, and what one of them costs."""
