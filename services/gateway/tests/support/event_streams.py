"""A generation whose events are projected one after the other."""

from uuid import UUID

from atelier_contracts import GenerationFailed, RenderProgressed, RenderStarted

from .world import World


async def until_row(world: World, generation: UUID, condition: str) -> None:
    """Waits until the projection's row of the generation fulfils this SQL condition."""
    sql = f"SELECT count(*) FROM generations WHERE id = $1 AND {condition}"

    async def looks_so() -> bool:
        return bool(await world.pool.fetchval(sql, generation))

    await world.until(looks_so)


async def render_and_fail(world: World, generation: UUID) -> None:
    """The render begins, comes half way, fails; each event is projected before the next is published."""
    events = [
        (RenderStarted(generation_id=generation, attempt=1), "state = 'rendering'"),
        (RenderProgressed(generation_id=generation, progress=50), "progress = 50"),
        (
            GenerationFailed(generation_id=generation, outcome="failed", code="refused", reason="no face", refunded=1),
            "rank = 9",
        ),
    ]
    for event, condition in events:
        await world.neighbours.say(event)
        await until_row(world, generation, condition)
