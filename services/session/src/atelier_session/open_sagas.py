"""How the sagas stand that have not ended, as the metrics show it."""

from collections.abc import Mapping
from dataclasses import dataclass

from atelier_messaging.database import Pool
from atelier_session.generation import State
from atelier_telemetry import metrics

_STANDING = """
SELECT COALESCE(extract(epoch FROM now() - min(created_at) FILTER (WHERE state <> 'delivering')), 0)::float8
           AS oldest_open_s,
       GREATEST(0, extract(epoch FROM now() - min(deadline_at)
           FILTER (WHERE state NOT IN ('new', 'reserving', 'delivering'))))::float8 AS hold_overdue_s,
       count(*) FILTER (WHERE state = 'capturing' AND resends >= 2) AS capturing,
       count(*) FILTER (WHERE state = 'refunding' AND resends >= 2) AS refunding
FROM sagas WHERE look_at IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class OpenSagas:
    """The sagas that have not ended: the age of the oldest and how far the most overdue hold is past its deadline, in
    seconds; how many settlements of each kind stay unanswered."""

    oldest_s: float
    hold_overdue_s: float
    unanswered: Mapping[State, int]


async def measure_open(pool: Pool) -> OpenSagas:
    """How the sagas stand that have not ended."""
    row = await pool.fetchrow(_STANDING)
    assert row is not None
    unanswered = {state: row[state] for state in (State.CAPTURING, State.REFUNDING)}
    return OpenSagas(row["oldest_open_s"], row["hold_overdue_s"], unanswered)


async def observe_open(pool: Pool) -> None:
    """Sets the gauges of the sagas that have not ended."""
    found = await measure_open(pool)
    metrics.OLDEST_OPEN.labels("saga").set(found.oldest_s)
    metrics.HOLD_OVERDUE.set(found.hold_overdue_s)
    for state, number in found.unanswered.items():
        metrics.SAGAS_UNANSWERED.labels(state).set(number)
