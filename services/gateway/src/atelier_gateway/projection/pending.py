"""SQL of what has not ended yet; nearly everything has, and stays out of the partial index this reads."""

from atelier_contracts import Owner
from atelier_messaging.database import Pool

_PENDING = """
SELECT owner_kind, owner_id, surface, count(*) AS number FROM generations WHERE rank < 9
GROUP BY owner_kind, owner_id, surface
"""


async def count(pool: Pool) -> list[tuple[Owner, str, int]]:
    """How many each owner has pending on each surface; those who have none are left out."""
    rows = await pool.fetch(_PENDING)
    return [(Owner(kind=row["owner_kind"], id=row["owner_id"]), row["surface"], row["number"]) for row in rows]
