"""Request bodies of native batches."""

from typing import Annotated

from pydantic import ConfigDict, Field

from atelier_gateway.surfaces.native.requests import EXAMPLE, GenerationRequest
from atelier_gateway.web.json_bodies import MultilineText, RequestBody, SingleLine

INLINE_ROWS_MAX = 1_000
WINDOW_S_MIN, WINDOW_S_DEFAULT, WINDOW_S_MAX = 60, 86_400, 7 * 86_400


class GenerationBatchRow(RequestBody):
    """One row of a batch: a create, under a name of the client's."""

    custom_id: SingleLine | None = None
    """Unique in the batch; without one the number of the row, from 1."""
    request: GenerationRequest
    """As `POST /v1/generations` takes it, but for inline data, `charge`, `delivery_window_s` and `quote`."""
    simulate: SingleLine | None = None
    """As the header `X-Atelier-Simulate`, for this row alone."""


class GenerationBatchRequest(RequestBody):
    """``POST /v1/generation-batches`` and ``POST /v1/generation-batches/quotes``."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"rows": [{"custom_id": "a", "request": EXAMPLE}]}]})

    rows: list[GenerationBatchRow] = Field(min_length=1, max_length=INLINE_ROWS_MAX)
    """More come as JSON lines."""
    max_credits: int | None = Field(default=None, ge=0)
    """The most that the whole may cost: a higher price is refused with `spend_limit_exceeded`."""
    completion_window_s: int = Field(default=WINDOW_S_DEFAULT, ge=WINDOW_S_MIN, le=WINDOW_S_MAX)
    """Rows that have not begun by then expire."""
    metadata: dict[SingleLine, Annotated[MultilineText, Field(max_length=512)]] = Field(
        default_factory=dict, max_length=50
    )
