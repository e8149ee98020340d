"""The ends that have no receipt yet: rows of the transaction that settles the holds. All else comes later."""

from collections.abc import Mapping
from uuid import UUID

from atelier_contracts import GenerationEnd
from atelier_messaging import Transaction

_ADD = """
INSERT INTO unissued_receipts (generation_id, facts) SELECT * FROM unnest($1::uuid[], $2::text[])
ON CONFLICT (generation_id) DO UPDATE SET
    facts = COALESCE(excluded.facts, unissued_receipts.facts),
    ended_at = CASE WHEN excluded.facts IS NULL THEN unissued_receipts.ended_at ELSE now() END
"""


def add(tx: Transaction, ends: Mapping[UUID, GenerationEnd | None]) -> None:
    """Orders a receipt for each generation; None: the books know all that can be said. A second end replaces a first
    that has no receipt yet; None keeps what the first said, for a correction may come before the receipt."""
    if ends:
        ordered = sorted(ends.items())
        facts = [end.model_dump_json(exclude_none=True) if end else None for _, end in ordered]
        tx.write("ended_generations", _ADD, [id_ for id_, _ in ordered], facts)
