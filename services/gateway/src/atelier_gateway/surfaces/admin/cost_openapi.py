"""What the route of costs answers, for the OpenAPI."""

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from atelier_gateway.surfaces.admin.openapi import made, refusals
from atelier_gateway.web.openapi_responses import Responses, query
from atelier_gateway.web.periods import FROM, TO

AMOUNTS: dict[str, JsonValue] = {
    "generations": 12,
    "charged": 100,
    "revenue_micros": 1_000_000,
    "submissions": 14,
    "unpriced": 0,
    "cost_micros": 443_520,
    "waste_micros": 63_360,
    "unknown": 1,
    "exposure_micros": 500_000,
    "margin_micros": 556_480,
}


class CostTotals(BaseModel):
    """Money is in micro-units (millionths) of the currency. Revenue and margin are null without a declared value of a
    credit."""

    model_config = ConfigDict(json_schema_extra={"examples": [AMOUNTS]})

    generations: int
    """Those whose credits were reserved in the period."""
    charged: int
    """Credits captured less credits returned."""
    revenue_micros: int | None
    submissions: int
    """Requests to remote providers."""
    unpriced: int
    """Of them, those whose model has no declared price: their cost is missing."""
    cost_micros: int
    waste_micros: int
    """The part of the cost that brought no revenue: nothing was delivered, or nothing charged in the end."""
    unknown: int
    """Submissions that are open, or whose outcome was never known."""
    exposure_micros: int
    """The most that those may cost beyond the cost."""
    margin_micros: int | None
    """Revenue less cost."""


class CostRow(CostTotals):
    """One group; null where rows are not grouped by it, or where it is not known."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"provider": "openai", "model": "gpt-image-2.6-flare", "day": "2026-11-30", **AMOUNTS}]
        }
    )

    provider: str | None
    model: str | None
    day: date | None
    """In UTC: of the posting for revenue, of the request for cost."""


class CostReport(BaseModel):
    """What the promise cost in a period, ``to`` not included."""

    since: datetime = Field(alias="from")
    to: datetime
    by: list[Literal["provider", "model", "day"]]
    currency: str | None
    """Null without a cost table."""
    totals: CostTotals
    data: list[CostRow]


COSTS: Responses = {200: made(CostReport, "By provider, model and day"), **refusals("invalid_request")}
BY = query(
    "by", {"type": "string", "examples": ["provider,day"]}, "What rows are grouped by: `provider`, `model`, `day`."
)
PARAMETERS: dict[str, Any] = {"parameters": [FROM, TO, BY]}
