"""What render has on record of the usage of submissions that delivered, for the comparison with what was delivered.

A remote provider's meter counts the outputs of its answers and is stored with the model that was sent. A submission
without a model was never metered, by a provider that counts nothing or because its process died: of that no more is
known than its exposure.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from atelier_messaging.database import Pool
from atelier_render.cost_table import CostTable

_DELIVERED = """
SELECT generation_id, provider, model, usage, cost_micros, cost_version FROM submissions
WHERE generation_id = ANY($1::uuid[]) AND outcome IN ('succeeded', 'partial') AND model IS NOT NULL
"""


async def add_usage(pool: Pool, rows: Sequence[dict[str, Any]], costs: CostTable | None) -> None:
    """Adds to the rows of jobs whose submissions were metered how many outputs their answers had, and what is
    missing."""
    by_id: dict[UUID, dict[str, Any]] = {row["generation_id"]: row for row in rows if row["submissions"]}
    if not by_id:
        return
    for submission in await pool.fetch(_DELIVERED, list(by_id)):
        row = by_id[submission["generation_id"]]
        row["metered_outputs"] = (row.get("metered_outputs") or 0) + _outputs_of(submission["usage"])
        if (fault := _fault_of(submission, costs)) is not None:
            row.setdefault("usage_faults", []).append(fault)


def _outputs_of(usage: dict[str, Any] | None) -> int:
    outputs = (usage or {}).get("outputs", 0)
    return outputs if isinstance(outputs, int) else 0


def _fault_of(submission: Any, costs: CostTable | None) -> str | None:
    """What is missing of a submission's usage and cost; None where nothing is."""
    provider, model = submission["provider"], submission["model"]
    if not submission["usage"]:
        return f"the submission to {provider} has no usage on record"
    if submission["cost_micros"] is None and costs and costs.has_price(submission["cost_version"], provider, model):
        return f"the submission to {provider} has no cost on record, and {model} has a price"
    return None
