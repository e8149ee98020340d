"""What may be made here at all, asked before any provider is: banned words, then whoever else the operator asks.

A refusal is said to the client in its words and costs nothing. A moderator that does not answer is asked again until
the deadline nears; what then, or at once, is the operator's decision and never ours.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol
from uuid import UUID

from atelier_contracts import Kind, Owner
from atelier_contracts.word_filter import BannedWords
from atelier_render.jobs import Failure, Job
from atelier_render.providers.protocol import Input
from atelier_telemetry import metrics

WhenAway = Literal["refuse", "allow"]
PAUSE_S, PAUSE_S_MAX = 0.5, 10.0
RESERVE_S = 0.5
"""So long before the deadline we give up, so that it is said why."""
UNCHECKED = "the content check did not answer before the deadline"
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Content:
    """What is judged: everything that the client wrote, and for whom it would be made."""

    generation_id: UUID
    owner: Owner
    kind: Kind
    texts: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Allowed:
    """Nothing is wrong with it."""


@dataclass(frozen=True, slots=True)
class Forbidden:
    """It must not be made; ``reason`` is for the client."""

    reason: str


@dataclass(frozen=True, slots=True)
class Away:
    """The moderator did not answer, or not in words we know; ``reason`` is for the operator."""

    reason: str


Verdict = Allowed | Forbidden | Away


class Moderator(Protocol):
    """Somebody who is asked about every request before a provider is."""

    @property
    def name(self) -> str:
        """How metrics and logs call it."""

    async def judge(self, content: Content) -> Verdict:
        """Says so within a few seconds; raises nothing."""

    async def close(self) -> None:
        """Lets go of what it holds."""


class BannedWordsModerator:
    """Refuses texts that hold a banned word."""

    name = "banned words"

    def __init__(self, banned: BannedWords) -> None:
        self._banned = banned

    async def judge(self, content: Content) -> Verdict:
        """The word is not named: the list is the operator's."""
        if any(self._banned.first_in(text) for text in content.texts):
            return Forbidden("the text holds a word that is not allowed here")
        return Allowed()

    async def close(self) -> None:
        """It holds nothing."""


class ContentRules:
    """Asks the moderators in order; the first refusal is final."""

    def __init__(self, moderators: Sequence[Moderator], *, when_away: WhenAway) -> None:
        self._moderators = moderators
        self._when_away = when_away

    async def objection(self, job: Job, inputs: Sequence[Input], ends_at: float) -> Failure | None:
        """How the job ends where it may not be made; None where it may. ``ends_at`` by the loop's clock."""
        content = Content(job.generation_id, job.owner, job.spec.kind, _texts(job, inputs))
        for moderator in self._moderators:
            verdict = await self._judged(moderator, content, ends_at)
            metrics.CONTENT_CHECKS.labels(moderator.name, type(verdict).__name__.lower()).inc()
            if isinstance(verdict, Forbidden):
                return Failure(job, None, "refused", verdict.reason)
            if isinstance(verdict, Away) and self._when_away == "refuse":
                return Failure(job, None, "provider_unavailable", UNCHECKED)
        return None

    async def close(self) -> None:
        """Lets go of the moderators."""
        for moderator in self._moderators:
            await moderator.close()

    async def _judged(self, moderator: Moderator, content: Content, ends_at: float) -> Verdict:
        """A verdict; Away at once where that is as good as one, else not before there is no more time."""
        now, pause = asyncio.get_running_loop().time, PAUSE_S
        while True:
            verdict = await moderator.judge(content)
            if not isinstance(verdict, Away):
                return verdict
            logger.warning("%s did not judge %s: %s", moderator.name, content.generation_id, verdict.reason)
            if self._when_away == "allow" or now() + pause + RESERVE_S >= ends_at:
                return verdict
            await asyncio.sleep(pause)
            pause = min(PAUSE_S_MAX, pause * 2)


def _texts(job: Job, inputs: Sequence[Input]) -> tuple[str, ...]:
    """The prompt, and the texts to be read."""
    read = (one.data.decode(errors="replace") for one in inputs if one.role == "text")
    return tuple(text for text in (job.spec.prompt, *read) if text)
