"""What services that queue requests have in common: a request is taken at once, worked on, and polled by its id."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from atelier_provider_simulator.pictures import corrupt, draw_mosaic, make_oversized_png
from atelier_provider_simulator.plans import PlannedOutcome

LOOKS_BEFORE_DONE = 2
"""A request is in the queue at its first poll, and in progress at the second."""


@dataclass
class QueuedResult:
    """One request that was taken, and its result."""

    endpoint: str
    ready_at: float
    """By the monotonic clock."""
    picture: str | None = None
    """The name under which its picture is served; None where there is none."""
    error: str | None = None
    """Why nothing was made: ``refused``."""
    size: tuple[int, int] = (0, 0)
    looks: int = 0
    is_ended: bool = False
    is_cancelled: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=lambda: str(uuid4()))

    def look(self) -> int:
        """How far it is at a poll: 0 in the queue, 1 in progress, 2 ended."""
        self.looks += 1
        far = min(self.looks - 1, LOOKS_BEFORE_DONE if time.monotonic() >= self.ready_at else 1)
        self.is_ended = self.is_cancelled or far == LOOKS_BEFORE_DONE
        return LOOKS_BEFORE_DONE if self.is_ended else far


def ready_at(planned: PlannedOutcome) -> float:
    """When the work on a request is done: a plan's delay is spent in the queue, not on its submission."""
    return time.monotonic() + planned.plan.delay_ms / 1_000


def draw_planned(planned: PlannedOutcome, size: tuple[int, int], file_format: Any, seeds: list[bytes]) -> bytes:
    """The picture that a plan wants; drawn over the first of the pictures that came, which are the last seeds."""
    if planned.plan.outcome == "oversized":
        return make_oversized_png()
    content = draw_mosaic(size, file_format, *seeds)
    return corrupt(content) if planned.plan.outcome == "corrupt" else content
