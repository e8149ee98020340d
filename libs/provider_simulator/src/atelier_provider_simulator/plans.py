"""Planned behaviour of the simulated providers and the log of their requests: the state behind ``/_control``."""

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from pkgutil import iter_modules
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

ROUTES_SUFFIX = "_routes"
PROVIDER_NAMES = tuple(
    module.name.removesuffix(ROUTES_SUFFIX)
    for module in iter_modules([str(Path(__file__).parent)])
    if module.name.endswith(ROUTES_SUFFIX)
)
"""Of all that are simulated."""


def _provider_name(name: str) -> str:
    if name not in PROVIDER_NAMES:
        raise ValueError(f"provider is one of {', '.join(PROVIDER_NAMES)}, not {name}")
    return name


ProviderName = Annotated[str, AfterValidator(_provider_name)]
Behaviour = Literal[
    "succeed",
    "slow",
    "lost_response",
    "late_success",
    "rate_limited",
    "out_of_quota",
    "server_error",
    "refused",
    "corrupt",
    "oversized",
    "partial",
]
NOTHING_MADE: frozenset[Behaviour] = frozenset({"rate_limited", "out_of_quota", "server_error", "refused"})
WAIT_MS_MAX = 600_000
TIMES_MAX = 10_000
LOG_MAX = 10_000


class Plan(BaseModel):
    """How the next ``times`` requests of a provider end; the fields that a behaviour does not use are refused."""

    model_config = ConfigDict(extra="forbid")

    provider: ProviderName
    outcome: Behaviour = "succeed"
    times: int = Field(default=1, ge=1, le=TIMES_MAX)
    delay_ms: int = Field(default=0, ge=0, le=WAIT_MS_MAX)
    """Before the answer; with every behaviour. ``late_success`` waits for the caller to hang up besides."""
    retry_after_s: float | None = Field(default=None, ge=0, le=3_600)
    """Said with ``rate_limited``."""
    status: Literal[500, 502, 503, 504] | None = None
    """Of ``server_error``; 500 where nothing is said."""
    delivered: int | None = Field(default=None, ge=0, le=100)
    """Of ``partial``: how many pictures the ``times`` requests get together; 1 where nothing is said."""

    word: str | None = Field(default=None, min_length=1)
    """Of ``refused`` where texts are moderated: those that hold it are flagged; all where nothing is said."""

    @model_validator(mode="after")
    def _check_fields(self) -> "Plan":
        uses = {"retry_after_s": "rate_limited", "status": "server_error", "delivered": "partial", "word": "refused"}
        for name, behaviour in uses.items():
            if getattr(self, name) is not None and self.outcome != behaviour:
                raise ValueError(f"{name} belongs to {behaviour}, not to {self.outcome}")
        if self.outcome == "slow" and self.delay_ms == 0:
            raise ValueError("slow needs a delay_ms")
        return self


class UploadedImage(BaseModel):
    """One picture of a request as it came, by its own bytes."""

    role: Literal["image", "mask"]
    format: str
    mode: str
    width: int
    height: int
    frames: int = 1
    beside: tuple[str, ...] = ()
    """What lies in the file beside the picture: ``exif``, ``icc_profile``, texts by their names, ``trailing`` bytes."""
    sha256: str


class ReceivedRequest(BaseModel):
    """One request as it came and how it ended: planned behaviours, ``rejected`` (it was wrong), ``replayed``."""

    provider: ProviderName
    path: str
    idempotency_key: str | None
    model: str | None = None
    parameters: dict[str, str] = {}
    """Of a request for pictures at OpenAI: what was given, as text, but for prompt and files."""
    outcome: Behaviour | Literal["rejected", "replayed"] = "rejected"
    made: int = 0
    """Pictures or sounds made for it; 0 where it was answered from memory."""
    uploads: tuple[UploadedImage, ...] = ()


@dataclass
class PlannedOutcome:
    """One request's part of a plan."""

    plan: Plan
    pictures_left: int | None
    """Of ``partial``: how many of the plan's pictures this request may still have."""


@dataclass
class _Queued:
    plan: Plan
    times_left: int
    pictures_left: int


@dataclass
class Plans:
    """Behaviours in the order they were planned, one queue per provider, and the log of requests."""

    log: deque[ReceivedRequest] = field(default_factory=lambda: deque(maxlen=LOG_MAX))
    cancelled: list[str] = field(default_factory=list)
    """Ids of queued requests that were cancelled."""
    _queues: dict[ProviderName, deque[_Queued]] = field(default_factory=dict)

    def add(self, plan: Plan) -> None:
        """Behind those that wait already."""
        delivered = 1 if plan.delivered is None else plan.delivered
        self._queues.setdefault(plan.provider, deque()).append(_Queued(plan, plan.times, delivered))

    def next(self, provider: ProviderName, item_count: int) -> PlannedOutcome:
        """The outcome of the current request for ``item_count`` pictures; success where nothing is planned."""
        queue = self._queues.get(provider)
        if not queue:
            return PlannedOutcome(Plan(provider=provider), None)
        first = queue[0]
        share = min(first.pictures_left, item_count)
        first.pictures_left -= share
        first.times_left -= 1
        if first.times_left == 0:
            queue.popleft()
        return PlannedOutcome(first.plan, share if first.plan.outcome == "partial" else None)

    def count_pending(self) -> int:
        """Requests that are still planned for."""
        return sum(queued.times_left for queue in self._queues.values() for queued in queue)

    def forget(self) -> None:
        """Everything."""
        self.log.clear()
        self.cancelled.clear()
        self._queues.clear()
