"""What a job is apart from how it is stored: the values that scheduler, worker and store hand each other."""

import asyncio
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from atelier_contracts import Artefact, Owner, RenderCompleted, RenderFailed, RenderSpec, Simulation
from atelier_contracts.render import FailureCode
from atelier_render.cost_table import SubmissionCost, Tariff, cost_of
from atelier_render.usage import UsageMeter
from atelier_telemetry.tracing import Span

Lane = Literal["paced", "instant"]
"""Paced jobs take a slot each; instant ones (simulated, no picture, no delay) are rendered in batches."""

Phase = Literal["working", "settling", "cancelled", "lost"]
"""An attempt works, then settles what it made; until then it can be cancelled by its client or lose its lease."""

ATTEMPTS_MAX = 3


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job as it is requested."""

    generation_id: UUID
    owner: Owner
    spec: RenderSpec
    lane: Lane
    deadline_at: datetime
    traceparent: str | None


class Eta(NamedTuple):
    """Seconds from now to the end: half of the like were done in ``p50_s``, nine of ten in ``p90_s``."""

    p50_s: float
    p90_s: float


@dataclass(frozen=True, slots=True)
class EtaPromise:
    """The first estimate published for a job that waited, and its age in seconds at the claim."""

    age_s: float
    eta: Eta


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job: this attempt at it is ours until the lease runs out."""

    generation_id: UUID
    attempt: int
    owner: Owner
    spec: RenderSpec
    lane: Lane
    traceparent: str | None
    remaining_s: float
    """Seconds to the deadline when it was claimed; not positive where it came too late to be started."""
    promise: EtaPromise | None = None

    @property
    def key(self) -> str:
        """The idempotency key under which a provider knows this attempt."""
        return f"{self.generation_id}-{self.attempt}"


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A lease that was extended, and whether its client wants the job stopped."""

    generation_id: UUID
    attempt: int
    cancelled: bool


@dataclass(frozen=True, slots=True)
class ReleasedJob:
    """A job whose worker stopped beating. ``code`` is None where it waits for another attempt."""

    generation_id: UUID
    code: FailureCode | None
    reason: str | None
    traceparent: str | None


@dataclass(slots=True, eq=False)
class Submission:
    """What an attempt has sent to a remote provider and, once known, the outcome."""

    id: UUID
    provider: str
    key: str
    is_reconciling: bool = False
    outcome: str | None = None
    reason: str | None = None
    meter: UsageMeter = field(default_factory=UsageMeter)
    tariff: Tariff | None = None
    """The prices when it was sent; None where none are declared."""
    ceiling: int = 0
    """The most that it can cost, in micro-units of the tariff's currency."""
    accepted: dict[str, str] = field(default_factory=dict)
    """The provider's own ids of the requests that it has taken, by the part that each makes."""

    @property
    def cost(self) -> SubmissionCost | None:
        """What it cost, and may still cost, by what is known now."""
        is_known = self.outcome not in (None, "unknown")
        return cost_of(self.tariff, self.meter, self.ceiling, is_known=is_known)


@dataclass(slots=True, eq=False)
class Attempt:
    """One attempt under way."""

    job: Job
    span: Span
    phase: Phase = "working"
    stored: list[str] = field(default_factory=list)
    """Keys this attempt has put, or begun to put; removed again unless it wins."""
    tag: str = field(default_factory=lambda: secrets.token_hex(4))
    submission: Submission | None = None
    """The last one that this attempt sent, or found open."""
    task: asyncio.Task[None] | None = None
    eta: Eta | None = None
    begun: float = field(default_factory=time.monotonic)

    @property
    def folder(self) -> str:
        """Where this attempt stores, and no other: a job that was given back has the same attempt number again."""
        return f"{self.job.attempt}-{self.tag}"


@dataclass(frozen=True, slots=True)
class Completion:
    """Something was made: ``delivered`` of the ``n`` requested."""

    job: Job
    provider: str
    delivered: int
    artefacts: Sequence[Artefact] = ()
    fingerprint: bytes | None = None
    """All that the result depends on, in 32 bytes; None where that is not known any more."""
    reused: bool = False
    model: str | None = None
    """Of the provider's models the one that made it, where they have names."""
    state: Literal["done"] = "done"

    def event(self) -> RenderCompleted:
        """The event to publish."""
        return RenderCompleted(
            generation_id=self.job.generation_id,
            outputs=tuple(self.artefacts),
            delivered=self.delivered,
            requested=self.job.spec.n,
            provider=self.provider,
            model=self.model,
            reused=self.reused,
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """Nothing usable was made."""

    job: Job
    provider: str | None
    code: FailureCode
    reason: str

    @property
    def state(self) -> Literal["failed", "cancelled"]:
        """The state in which the job ends."""
        return "cancelled" if self.code == "cancelled" else "failed"

    def event(self) -> RenderFailed:
        """The event to publish."""
        return RenderFailed(
            generation_id=self.job.generation_id, code=self.code, reason=self.reason, provider=self.provider
        )


JobResult = Completion | Failure


def is_simulated(owner: Owner, spec: RenderSpec, *, simulator: bool) -> bool:
    """Whether the simulator makes it: all that test accounts ask for, of others what asks for it where it is on."""
    return owner.is_test or (simulator and spec.simulate is not None)


def lane_of(owner: Owner, spec: RenderSpec, *, simulator: bool) -> Lane:
    """Instant where the simulator has neither to wait nor to draw."""
    pretend = (spec.simulate or Simulation()) if is_simulated(owner, spec, simulator=simulator) else None
    if pretend is None or pretend.picture or pretend.delay_ms:
        return "paced"
    return "instant" if pretend.outcome in ("succeed", "partial", "fail") else "paced"
