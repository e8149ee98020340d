"""SQL of the files that generations delivered: rows beside their inputs, written with the projection."""

from collections.abc import Mapping
from uuid import UUID

from uuid_utils.compat import uuid7

from atelier_gateway.projection.snapshot import Snapshot
from atelier_messaging import Transaction

_RESULTS = """
INSERT INTO files (id, owner_kind, owner_id, generation_id, category, filename, key, content_type, format, size_bytes,
                   width, height, sha256, is_primary, image_order)
SELECT n.id, g.owner_kind, g.owner_id, g.id, 'result', n.filename, n.key, n.content_type, n.format, n.size, n.width,
       n.height, n.sha256, n.image_order = 0, n.image_order
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::int[], $9::int[],
            $10::text[], $11::smallint[])
     AS n(id, generation_id, filename, key, content_type, format, size, width, height, sha256, image_order)
JOIN generations g ON g.id = n.generation_id
ON CONFLICT DO NOTHING
"""


def add_results(tx: Transaction, ended: Mapping[UUID, Snapshot]) -> None:
    """Adds what these generations delivered to what the transaction writes."""
    made = [(id_, order, output) for id_, snapshot in ended.items() for order, output in enumerate(snapshot.outputs)]
    if not made:
        return
    tx.write(
        "results",
        _RESULTS,
        [uuid7() for _ in made],
        [id_ for id_, _, _ in made],
        [output["key"].rsplit("/", 1)[-1] for _, _, output in made],
        [output["key"] for _, _, output in made],
        [output["content_type"] for _, _, output in made],
        [output["content_type"].partition("/")[2] for _, _, output in made],
        [output["size"] for _, _, output in made],
        [output.get("width") for _, _, output in made],
        [output.get("height") for _, _, output in made],
        [output["sha256"] for _, _, output in made],
        [order for _, order, _ in made],
    )
