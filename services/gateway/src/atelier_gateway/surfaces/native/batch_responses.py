"""How native batches and their rows are rendered."""

from collections import Counter
from typing import Any

from atelier_gateway.batches.planning import Plan
from atelier_gateway.batches.records import Batch, Row, RowState, Tally
from atelier_gateway.projection.store import Generation
from atelier_gateway.surfaces.native.responses import UrlSigner, generation_view

PREFIX = "/v1/generation-batches"
ROW_STATUSES: dict[str, RowState] = {
    "waiting": "waiting",
    "under_way": "submitted",
    "succeeded": "succeeded",
    "failed": "failed",
    "cancelled": "cancelled",
    "expired": "expired",
}
"""The words for rows, and their states."""
_WORDS = {state: word for word, state in ROW_STATUSES.items()}


def batch_view(batch: Batch, tally: Tally, public_url: str) -> dict[str, Any]:
    """The batch as it is now."""
    here = f"{public_url}{PREFIX}/{batch.id}"
    counts = {word: tally.count(state) for word, state in ROW_STATUSES.items()}
    return {
        "id": str(batch.id),
        "test": batch.owner.is_test,
        "status": batch.state,
        "endpoint": batch.endpoint,
        "rows": {"total": batch.rows, **counts},
        "credits": {
            "quoted": batch.quoted,
            "captured": tally.captured,
            "held": tally.held,
            "remaining": batch.quoted - tally.captured - tally.held,
        },
        "completion_window_s": batch.window_s,
        "metadata": dict(batch.attributes),
        "errors": [dict(error) for error in batch.errors or ()],
        "created_at": batch.created_at,
        "expires_at": batch.expires_at,
        "started_at": batch.in_progress_at,
        "ended_at": batch.ended_at,
        "links": {"self": here, "rows": f"{here}/rows", "cancel": f"{here}/cancel"},
    }


def row_view(
    batch: Batch, row: Row, generation: Generation | None, objects: UrlSigner, public_url: str
) -> dict[str, Any]:
    """One row; its output URLs are good for 15 minutes."""
    problem = row.problem
    return {
        "row": row.number,
        "custom_id": row.custom_id,
        "status": _WORDS[row.state],
        "generation_id": row.generation_id if generation else None,
        "credits": {"quoted": batch.prices[row.price].credits, "captured": row.credits},
        "outputs": generation_view(generation, objects, public_url)["outputs"] if generation else [],
        "error": {"code": problem["code"], "detail": problem["detail"]} if problem else None,
        "ended_at": row.ended_at,
    }


def quote_view(plan: Plan, *, is_test: bool) -> dict[str, Any]:
    """The price of the whole, and of each kind of row."""
    counted = Counter(plan.price_of.values())
    return {
        "test": is_test,
        "rows": len(plan.rows),
        "credits": plan.credits,
        "prices": [
            {"work": price.work.model_dump(mode="json"), "credits": price.credits, "rows": counted[place]}
            for place, price in enumerate(plan.prices)
        ],
    }
