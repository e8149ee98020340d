"""What a run of faults reached: kills by process and step, by process and state of a saga, how fast it recovered."""

from collections.abc import Iterator, Mapping, Sequence

from atelier_local.bench.contenders import quantiles_ms
from chaos.load import Load
from chaos.schedule import SERVICES, STATES, STEPS, Cell, FaultOutcome, Progress
from whole_system.world import World

_STATES = """
WITH spans AS (
    SELECT state_to AS state, at AS began, lead(at) OVER (PARTITION BY generation_id ORDER BY id) AS ended
    FROM saga_log
)
SELECT kill.service, spans.state, count(DISTINCT kill.number) AS kills
FROM unnest($1::text[], $2::timestamptz[]) WITH ORDINALITY AS kill(service, at, number)
JOIN spans ON spans.began <= kill.at AND kill.at < spans.ended
WHERE spans.state = ANY($3::text[])
GROUP BY 1, 2
"""
"""A saga's state begins and ends with the transactions that its log names."""


async def count_generations(load: Load) -> int:
    """Generations of this load that the session knows, those of clients that hung up included."""
    owners = [account.id for account in load.accounts]
    query = "SELECT count(*) FROM sagas WHERE owner_id = ANY($1::uuid[])"
    return int(await load.world.databases["session"].fetchval(query, owners))


async def count_states(world: World, outcomes: Sequence[FaultOutcome]) -> dict[Cell, int]:
    """Kills of each process at a moment at which at least one saga was in a state. A saga that still is in it does not
    count yet."""
    kills = [outcome for outcome in outcomes if outcome.killed]
    victims, moments = [outcome.killed for outcome in kills], [outcome.at for outcome in kills]
    rows = await world.databases["session"].fetch(_STATES, victims, moments, STATES)
    return {(row["service"], row["state"]): row["kills"] for row in rows}


def describe(progress: Progress) -> Iterator[str]:
    """Lines for a reader: both tables, and how long it took until all parts were ready again."""
    yield f"kills: {progress.kills}, by process and step:"
    yield from _table(STEPS, progress.steps)
    yield "kills, by process and the states in which sagas were at that moment:"
    yield from _table(STATES, progress.states)
    yield "until every part was ready again:"
    recovered = [outcome for outcome in progress.outcomes if outcome.is_done and outcome.recovery_s is not None]
    groups = {f"{service} killed": [it for it in recovered if it.killed == service] for service in SERVICES}
    for what, group in {**groups, "all faults": recovered}.items():
        seconds = [outcome.recovery_s for outcome in group if outcome.recovery_s is not None]
        if seconds:
            at = {name: value / 1_000 for name, value in quantiles_ms(seconds).items()}
            yield f"  {what}: p50 {at['p50']:.1f} s, p99 {at['p99']:.1f} s, of {len(seconds)}"


def _table(columns: Sequence[str], counts: Mapping[Cell, int]) -> Iterator[str]:
    yield f"  {'':<8}" + "".join(f"{column:>16}" for column in columns)
    for service in SERVICES:
        yield f"  {service:<8}" + "".join(f"{counts.get((service, column), 0):>16}" for column in columns)
