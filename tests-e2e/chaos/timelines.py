"""What is known of the things that violations name: a generation's timeline, what the services logged of a request."""

import re
from collections.abc import Sequence
from contextlib import suppress

from atelier_local.errors import StackError
from chaos.schedule import SERVICES
from whole_system.world import World

STORIES_MAX = 15
LOG_LINES_MAX = 5
LINE_CHARACTERS_MAX = 6_000
_ID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


async def tell(world: World, violations: Sequence[str]) -> dict[str, str]:
    """By id, for the first ones that the lines name."""
    named = dict.fromkeys(id_ for line in violations for id_ in _ID.findall(line))
    stories: dict[str, str] = {}
    for id_ in named:
        if len(stories) < STORIES_MAX and (lines := [*await _steps(world, id_), *_logged(world, id_)]):
            stories[id_] = "\n".join(lines)
    return stories


async def _steps(world: World, id_: str) -> list[str]:
    """What the operators' console says of it, where it is a generation."""
    with suppress(StackError):
        story = await world.admin.explain(id_)
        steps = [f"    {step['at']}  {step['service']}: {step['what']}" for step in story["steps"]]
        return [f"  {id_}: {story['summary']}", *steps]
    return []


def _logged(world: World, id_: str) -> list[str]:
    """The first lines about it in each service's log; the stack is removed before anyone can look."""
    lines = []
    for service in SERVICES:
        log = world.stack.profile.logs / f"{service}.log"
        about = [line for line in log.read_text(errors="replace").splitlines() if id_ in line] if log.exists() else []
        lines += [f"    {service}.log: {line[:LINE_CHARACTERS_MAX]}" for line in about[:LOG_LINES_MAX]]
    return lines
