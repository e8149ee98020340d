"""Where generations stand, told again as events: for whoever missed what was said on the bus."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from atelier_contracts import GenerationQueued, RenderStarted
from atelier_contracts.message import GenerationMessage
from atelier_session import saga
from atelier_session.generation import Generation, State
from atelier_session.holds import Holds, settlement_of

STARTED = frozenset({State.RENDERING, State.CAPTURING})


async def told_again(known: Sequence[Generation], holds: Holds) -> list[dict[str, Any]]:
    """``{id, state, events: [{name, body}]}`` of each, the body as JSON text. What ended before billing's last word
    was kept takes it from the hold; where billing does not answer, its end is told another time."""
    untold = [g.request.generation_id for g in known if g.state in saga.TERMINAL and saga.end_of(g) is None]
    found = await holds.find(untold) if untold else {}
    return [_told(_with_settlement(g, found.get(g.request.generation_id, {}))) for g in known]


def _with_settlement(generation: Generation, hold: Any) -> Generation:
    settlement = settlement_of(generation, hold)
    return replace(generation, settlement=settlement) if settlement is not None else generation


def _told(generation: Generation) -> dict[str, Any]:
    events = [{"name": event.name, "body": event.model_dump_json()} for event in _events(generation)]
    return {"id": generation.request.generation_id, "state": generation.state, "events": events}


def _events(generation: Generation) -> list[GenerationMessage]:
    id_ = generation.request.generation_id
    if generation.state in saga.TERMINAL:
        end = saga.end_of(generation)
        return [end] if end is not None else []
    events: list[GenerationMessage] = []
    if generation.credits:
        events.append(GenerationQueued(generation_id=id_, credits=generation.credits))
    if generation.state in STARTED:
        events.append(RenderStarted(generation_id=id_, attempt=1))
    return events
