"""Submissions to remote providers and their outcomes: at most one of a generation is open at a time."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from uuid_utils.compat import uuid7

from atelier_messaging.database import Connection, Pool
from atelier_render.jobs import Job, Submission

# Whoever has lost the lease sends nothing: the job is another's, who asks what became of the last submission first.
_BEGIN = """
WITH ours AS (
    SELECT generation_id FROM jobs
    WHERE generation_id = $2 AND state = 'running' AND attempt = $3 AND lease_owner = $4
), sent AS (
    INSERT INTO submissions (id, generation_id, attempt, provider, key, state)
    SELECT $1, generation_id, $3, $5, $6, 'sent' FROM ours ON CONFLICT (id) DO NOTHING
)
SELECT EXISTS (SELECT FROM ours)
"""
_OPEN = "SELECT id, provider FROM submissions WHERE generation_id = $1 AND state <> 'ended'"
_RECONCILING = "UPDATE submissions SET state = 'reconciling', lost_at = now() WHERE id = $1 AND state = 'sent'"
_END = "UPDATE submissions SET state = 'ended', outcome = $2, reason = $3, ended_at = now() WHERE id = $1"
_SKIP = """
INSERT INTO submissions (id, generation_id, attempt, provider, key, state, outcome, reason, ended_at)
VALUES ($1, $2, $3, $4, $5, 'ended', 'not_sent', $6, now())
"""
_CLOSE = """
UPDATE submissions s SET state = 'ended', outcome = c.outcome, reason = c.reason, ended_at = now()
FROM unnest($1::uuid[], $2::text[], $3::text[]) AS c(generation_id, outcome, reason)
WHERE s.generation_id = c.generation_id AND s.state <> 'ended'
"""
# Jobs that end between two attempts: cancelled or too late while they wait, or lost too often.
_ABANDON = """
UPDATE submissions s SET state = 'ended', outcome = 'abandoned', reason = j.reason, ended_at = now()
FROM jobs j WHERE s.state <> 'ended' AND j.generation_id = s.generation_id AND j.state NOT IN ('queued', 'running')
"""


class Closing(NamedTuple):
    """What is written to a submission that is still open when its generation's job ends."""

    generation_id: UUID
    outcome: str
    reason: str | None


async def begin_submission(pool: Pool, owner: str, job: Job, submission: Submission) -> bool:
    """Writes down that a request is about to leave; False, and nothing, where the lease is no longer ours. The same
    submission may be written twice."""
    ids = (submission.id, job.generation_id, job.attempt, owner)
    return bool(await pool.fetchval(_BEGIN, *ids, submission.provider, submission.key))


async def open_submission(pool: Pool, generation_id: UUID) -> tuple[UUID, str] | None:
    """Id and provider of the one whose outcome is unknown."""
    row = await pool.fetchrow(_OPEN, generation_id)
    return (row["id"], row["provider"]) if row else None


async def mark_reconciling(pool: Pool, submission: Submission) -> None:
    """Its answer was lost."""
    await pool.execute(_RECONCILING, submission.id)


async def end_submission(pool: Pool, submission: Submission) -> None:
    """Its outcome is known."""
    await pool.execute(_END, submission.id, submission.outcome, submission.reason)


async def note_skipped(pool: Pool, job: Job, provider: str, key: str, reason: str) -> None:
    """A provider was skipped."""
    await pool.execute(_SKIP, uuid7(), job.generation_id, job.attempt, provider, key, reason)


async def close_submissions(connection: Connection, closings: Sequence[Closing]) -> None:
    """In the commit that ends the jobs: what is still open ends with them."""
    await connection.execute(_CLOSE, *map(list, zip(*closings, strict=True)))


async def abandon_submissions(connection: Connection) -> None:
    """Ends what is still open of jobs that have ended without anybody who knew of it."""
    await connection.execute(_ABANDON)
