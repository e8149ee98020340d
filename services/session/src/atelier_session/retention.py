"""What the session forgets with time: the log of sagas, the requests of those that have ended, and which requests
were admitted. Sagas themselves stay."""

from atelier_messaging import retention
from atelier_messaging.database import Pool
from atelier_session.store import HAS_ENDED, KEPT_REQUEST

ADMISSIONS_KEPT_DAYS = 30
"""No request is delivered a second time after that, and if one were, its saga is there. A withdrawal is never deleted:
it is all that refuses its request, and there are few."""
DAY_S = 86_400
# A saga is narrowed by the slice that deletes the first of its log, so each is once.
_PRUNE_LOG = f"""
WITH old AS (
    SELECT generation_id, id FROM saga_log
    WHERE generation_id > $1 AND generation_id < $2 AND at < now() - make_interval(days => $4)
    ORDER BY generation_id, id LIMIT $3 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM saga_log l USING old WHERE l.generation_id = old.generation_id AND l.id = old.id
    RETURNING l.generation_id
), narrowed AS (
    UPDATE sagas SET request = {KEPT_REQUEST}, traceparent = NULL
    WHERE generation_id = ANY(ARRAY(SELECT generation_id FROM gone)) AND {HAS_ENDED}
)
SELECT generation_id AS id FROM gone
"""  # noqa: S608 - constants only
_PRUNE_ADMISSIONS = """
WITH old AS (
    SELECT generation_id FROM admissions a
    WHERE generation_id > $1 AND generation_id < $2 AND verdict = 'admitted'
      AND EXISTS (SELECT FROM sagas s WHERE s.generation_id = a.generation_id)
    ORDER BY generation_id LIMIT $3 FOR UPDATE SKIP LOCKED
)
DELETE FROM admissions a USING old WHERE a.generation_id = old.generation_id RETURNING a.generation_id AS id
"""


async def prune(pool: Pool, *, log_days: int) -> int:
    """Deletes what is older; returns how many rows that were. ``log_days`` 0: log and requests are never deleted."""
    end = retention.first_id_after(ADMISSIONS_KEPT_DAYS * DAY_S)
    deleted = await retention.delete_slices(pool, _PRUNE_ADMISSIONS, end)
    if log_days:
        end = retention.first_id_after(log_days * DAY_S)
        # The last slice may end within a generation's entries, which the next run finds.
        deleted += await retention.delete_slices(pool, _PRUNE_LOG, end, log_days)
    return deleted
