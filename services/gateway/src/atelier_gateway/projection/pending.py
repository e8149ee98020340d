"""SQL of what is still to be made; nearly everything has ended, and stays out of the partial index this reads."""

from atelier_contracts import Owner
from atelier_messaging.database import Pool

_PENDING = """
SELECT owner_kind, owner_id, surface, count(*) AS number FROM generations WHERE rank < 3
GROUP BY owner_kind, owner_id, surface
"""


async def count(pool: Pool) -> list[tuple[Owner, str, int]]:
    """How many each owner has pending on each surface; those who have none are left out. What waits to be delivered
    needs no capacity: it is bounded by the credits that it holds."""
    rows = await pool.fetch(_PENDING)
    return [(Owner(kind=row["owner_kind"], id=row["owner_id"]), row["surface"], row["number"]) for row in rows]
