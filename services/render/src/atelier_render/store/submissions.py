"""Submissions to remote providers and their outcomes: at most one of a generation is open at a time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
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
    INSERT INTO submissions (id, generation_id, attempt, provider, key, state, exposure_micros, currency, cost_version)
    SELECT $1, generation_id, $3, $5, $6, 'sent', $7, $8, $9 FROM ours ON CONFLICT (id) DO NOTHING
)
SELECT EXISTS (SELECT FROM ours)
"""
_OPEN = "SELECT id, provider, sent_at, accepted FROM submissions WHERE generation_id = $1 AND state <> 'ended'"
_RECONCILING = "UPDATE submissions SET state = 'reconciling', lost_at = now() WHERE id = $1 AND state = 'sent'"
_ACCEPT = """
UPDATE submissions SET accepted = COALESCE(accepted, '{}'::jsonb) || jsonb_build_object($2::text, $3::text)
WHERE id = $1
"""
# What was expected when it was sent stays where nothing more is known.
_FIGURES = """
model = COALESCE({0}.model, s.model), usage = COALESCE({0}.usage, s.usage), cost_micros = {0}.cost_micros,
exposure_micros = COALESCE({0}.exposure_micros, s.exposure_micros), currency = COALESCE({0}.currency, s.currency),
cost_version = COALESCE({0}.cost_version, s.cost_version)
"""
_END = f"""
UPDATE submissions s
SET state = 'ended', outcome = e.outcome, reason = e.reason, ended_at = now(), {_FIGURES.format("e")}
FROM (SELECT $2::text AS outcome, $3::text AS reason, $4::text AS model, $5::jsonb AS usage, $6::bigint AS cost_micros,
             $7::bigint AS exposure_micros, $8::text AS currency, $9::text AS cost_version) e
WHERE s.id = $1
"""  # noqa: S608 - constants only
_SKIP = """
INSERT INTO submissions (id, generation_id, attempt, provider, key, state, outcome, reason, ended_at)
VALUES ($1, $2, $3, $4, $5, 'ended', 'not_sent', $6, now())
"""
_CLOSE = f"""
UPDATE submissions s
SET state = 'ended', outcome = c.outcome, reason = c.reason, ended_at = now(), {_FIGURES.format("c")}
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::bigint[], $7::bigint[], $8::text[],
            $9::text[])
     AS c(generation_id, outcome, reason, model, usage, cost_micros, exposure_micros, currency, cost_version)
WHERE s.generation_id = c.generation_id AND s.state <> 'ended'
"""  # noqa: S608 - constants only
# Jobs that end between two attempts: cancelled or too late while they wait, or lost too often.
_ABANDON = """
UPDATE submissions s SET state = 'ended', outcome = 'abandoned', reason = j.reason, ended_at = now()
FROM jobs j WHERE s.state <> 'ended' AND j.generation_id = s.generation_id AND j.state NOT IN ('queued', 'running')
"""


class Figures(NamedTuple):
    """What is known of a submission's usage and cost, as its columns."""

    model: str | None = None
    usage: dict[str, Any] | None = None
    cost_micros: int | None = None
    exposure_micros: int | None = None
    currency: str | None = None
    cost_version: str | None = None


UNKNOWN = Figures()


class Closing(NamedTuple):
    """What is written to a submission that is still open when its generation's job ends."""

    generation_id: UUID
    outcome: str
    reason: str | None
    figures: Figures = UNKNOWN


class OpenSubmission(NamedTuple):
    """A submission that another attempt has sent."""

    id: UUID
    provider: str
    sent_at: datetime
    accepted: dict[str, str] | None


async def begin_submission(pool: Pool, owner: str, job: Job, submission: Submission) -> bool:
    """Writes down that a request is about to leave; False, and nothing, where the lease is no longer ours. The same
    submission may be written twice."""
    ids = (submission.id, job.generation_id, job.attempt, owner)
    expected = figures_of(submission)
    money = (expected.exposure_micros, expected.currency, expected.cost_version)
    return bool(await pool.fetchval(_BEGIN, *ids, submission.provider, submission.key, *money))


def figures_of(submission: Submission) -> Figures:
    """What is known of it now."""
    model, usage, cost = submission.meter.model, submission.meter.to_json(), submission.cost
    if cost is None:
        return Figures(model, usage)
    return Figures(model, usage, cost.cost, cost.exposure, cost.currency, cost.version)


async def open_submission(pool: Pool, generation_id: UUID) -> OpenSubmission | None:
    """The one whose outcome is unknown."""
    row = await pool.fetchrow(_OPEN, generation_id)
    return OpenSubmission(**row) if row else None


async def mark_reconciling(pool: Pool, submission: Submission) -> None:
    """Its answer was lost."""
    await pool.execute(_RECONCILING, submission.id)


async def record_accepted(pool: Pool, submission: Submission, part: str, request_id: str) -> None:
    """The provider has taken the request for a part, under an id of its own."""
    await pool.execute(_ACCEPT, submission.id, part, request_id)


async def end_submission(pool: Pool, submission: Submission) -> None:
    """Its outcome is known."""
    await pool.execute(_END, submission.id, submission.outcome, submission.reason, *figures_of(submission))


async def note_skipped(pool: Pool, job: Job, provider: str, key: str, reason: str) -> None:
    """A provider was skipped."""
    await pool.execute(_SKIP, uuid7(), job.generation_id, job.attempt, provider, key, reason)


async def close_submissions(connection: Connection, closings: Sequence[Closing]) -> None:
    """In the commit that ends the jobs: what is still open ends with them."""
    rows = [(*closing[:3], *closing.figures) for closing in closings]
    await connection.execute(_CLOSE, *map(list, zip(*rows, strict=True)))


async def abandon_submissions(connection: Connection) -> None:
    """Ends what is still open of jobs that have ended without anybody who knew of it."""
    await connection.execute(_ABANDON)
