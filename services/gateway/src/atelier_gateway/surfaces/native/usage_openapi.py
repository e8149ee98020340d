"""The shapes of usage for the OpenAPI document."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from atelier_contracts import Kind

AMOUNTS: dict[str, JsonValue] = {
    "generations": 12,
    "reserved": 130,
    "captured": 110,
    "refunded": 20,
    "returned": 10,
    "charged": 100,
}


class UsageTotals(BaseModel):
    """Whole credits, by the postings of the period. ``charged`` is ``captured`` less ``returned``."""

    model_config = ConfigDict(json_schema_extra={"examples": [AMOUNTS]})

    generations: int
    """Those whose credits were reserved in the period."""
    reserved: int
    captured: int
    refunded: int
    returned: int
    charged: int


class UsageRow(UsageTotals):
    """One group; null where rows are not grouped by it, or where it is not known."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "day": "2026-11-30",
                    "key": "01a1fc2b-e840-76c4-840b-55c1df4115f6",
                    "key_prefix": "5e1f0c9a7b42",
                    "kind": "image",
                    "model": "gpt-image-2.6-flare",
                    **AMOUNTS,
                }
            ]
        }
    )

    day: date | None
    """Of the posting, in UTC."""
    key: UUID | None
    """The API key that created it; null where a user's token did, and for generations from before keys were noted."""
    key_prefix: str | None
    """What stands between `atl_` and the secret of that key."""
    kind: Kind | None
    model: str | None
    """The model that made it; null before it has ended and where nothing was made."""


class UsagePage(BaseModel):
    """The usage of a period, ``to`` not included. ``totals`` are of all pages."""

    test: bool
    """Whether it is of a test account: of test credits."""
    since: datetime = Field(alias="from")
    to: datetime
    by: list[Literal["day", "key", "kind", "model"]]
    totals: UsageTotals
    data: list[UsageRow]
    next_cursor: str | None
