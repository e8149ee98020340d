"""Moderation before any provider is called: banned words, then the moderators that the operator configured.

A refusal is said to the client in its words and costs nothing. A moderator that does not answer is called again until
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
    """What is moderated: everything that the client wrote, and the owner of the request."""

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
class ModeratorUnavailable:
    """The moderator did not answer, or not in words we know; ``reason`` is for the operator."""

    reason: str


ModerationVerdict = Allowed | Forbidden | ModeratorUnavailable


class Moderator(Protocol):
    """A check of every request before a provider is called."""

    @property
    def name(self) -> str:
        """How metrics and logs call it."""

    async def moderate(self, content: Content) -> ModerationVerdict:
        """Says so within a few seconds; raises nothing."""

    async def close(self) -> None:
        """Lets go of what it holds."""


class BannedWordsModerator:
    """Refuses texts that hold a banned word."""

    name = "banned words"

    def __init__(self, banned: BannedWords) -> None:
        self._banned = banned

    async def moderate(self, content: Content) -> ModerationVerdict:
        """The word is not named: the list is the operator's."""
        if any(self._banned.first_in(text) for text in content.texts):
            return Forbidden("the text holds a word that is not allowed here")
        return Allowed()

    async def close(self) -> None:
        """It holds nothing."""


class ContentModeration:
    """Asks the moderators in order; the first refusal is final."""

    def __init__(self, moderators: Sequence[Moderator], *, when_away: WhenAway) -> None:
        self._moderators = moderators
        self._when_away = when_away

    async def reject_reason(self, job: Job, inputs: Sequence[Input], ends_at: float) -> Failure | None:
        """How the job ends where it may not be made; None where it may. ``ends_at`` by the loop's clock."""
        content = Content(job.generation_id, job.owner, job.spec.kind, _texts(job, inputs))
        for moderator in self._moderators:
            if job.owner.is_test and not isinstance(moderator, BannedWordsModerator):
                continue  # what is simulated is sent to no one
            verdict = await self._verdict_of(moderator, content, ends_at)
            metrics.CONTENT_CHECKS.labels(moderator.name, type(verdict).__name__.lower()).inc()
            if isinstance(verdict, Forbidden):
                return Failure(job, None, "refused", verdict.reason)
            if isinstance(verdict, ModeratorUnavailable) and self._when_away == "refuse":
                return Failure(job, None, "provider_unavailable", UNCHECKED)
        return None

    async def close(self) -> None:
        """Lets go of the moderators."""
        for moderator in self._moderators:
            await moderator.close()

    async def _verdict_of(self, moderator: Moderator, content: Content, ends_at: float) -> ModerationVerdict:
        """A verdict; Away at once where that is as good as one, else not before there is no more time."""
        now, pause = asyncio.get_running_loop().time, PAUSE_S
        while True:
            verdict = await moderator.moderate(content)
            if not isinstance(verdict, ModeratorUnavailable):
                return verdict
            logger.warning(
                "moderation by %s of %s failed, retrying: %s",
                moderator.name,
                content.generation_id,
                verdict.reason,
            )
            if self._when_away == "allow" or now() + pause + RESERVE_S >= ends_at:
                return verdict
            await asyncio.sleep(pause)
            pause = min(PAUSE_S_MAX, pause * 2)


def _texts(job: Job, inputs: Sequence[Input]) -> tuple[str, ...]:
    """The prompt, and the texts to be read."""
    read = (text_input.data.decode(errors="replace") for text_input in inputs if text_input.role == "text")
    return tuple(text for text in (job.spec.prompt, *read) if text)
