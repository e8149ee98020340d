"""The states of generations as events, for a reader that missed some on the bus."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from atelier_contracts import GenerationQueued, RenderStarted
from atelier_contracts.message import GenerationMessage
from atelier_session import saga
from atelier_session.generation import Generation, State
from atelier_session.holds import Holds, settlement_of
from atelier_session.message_builders import ready_of

STARTED = frozenset({State.RENDERING, State.DELIVERING, State.CAPTURING})


async def replay_states(generations: Sequence[Generation], holds: Holds) -> list[dict[str, Any]]:
    """``{id, state, events: [{name, body}]}`` of each generation, the body as JSON text. An ended one without a stored
    settlement takes it from its hold; where billing does not answer, its end is left out and replayed another time."""
    incomplete = [g.request.generation_id for g in generations if g.state in saga.TERMINAL and saga.end_of(g) is None]
    found = await holds.find(incomplete) if incomplete else {}
    return [_to_json(_with_settlement(g, found.get(g.request.generation_id, {}))) for g in generations]


def _with_settlement(generation: Generation, hold: Any) -> Generation:
    settlement = settlement_of(generation, hold)
    return replace(generation, settlement=settlement) if settlement is not None else generation


def _to_json(generation: Generation) -> dict[str, Any]:
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
    if generation.state is State.DELIVERING:
        events.append(ready_of(generation))
    return events
