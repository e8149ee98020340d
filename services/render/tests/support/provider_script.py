"""A remote provider that answers by a script and records every call."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from atelier_render.providers.local.images import OFFERS
from atelier_render.providers.protocol import (
    Capabilities,
    Picture,
    ProviderJob,
    ProviderOutcome,
    Refused,
    Succeeded,
    Unknown,
)
from atelier_render.providers.sample_outputs import sample_picture

OK = Succeeded((Picture(sample_picture(1, 32, 32), "image/png", 32, 32),), 1)


AWAY = Capabilities(OFFERS, reads_inputs=False, remote=True)
FORGETFUL = Capabilities(OFFERS, reads_inputs=False, remote=True, recalls=False)
HERE = Capabilities(OFFERS, reads_inputs=False)


@dataclass
class Scripted:
    """Answers submissions and recalls in order; the last recall's answer is repeated."""

    name: str
    answers: Sequence[ProviderOutcome | Exception] = ()
    recalls: Sequence[ProviderOutcome] = (Unknown(),)
    capabilities: Capabilities = AWAY
    keys: list[str] = field(default_factory=list)
    recalled: list[str] = field(default_factory=list)
    hold: asyncio.Event | None = None
    """Answers to submissions wait for it."""
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def submit(self, job: ProviderJob) -> ProviderOutcome:
        self.keys.append(job.key)
        self.asked.set()
        if self.hold is not None:
            await self.hold.wait()
        answers = self.answers or (Refused("nothing was scripted"),)
        answer = answers[min(len(self.keys), len(answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def let_go(self) -> None:
        """Answers what it held back."""
        assert self.hold is not None
        self.hold.set()

    async def recall(self, job: ProviderJob) -> ProviderOutcome:
        self.recalled.append(job.key)
        return self.recalls[min(len(self.recalled), len(self.recalls)) - 1]
