"""What a provider is: something that takes a job under an idempotency key and says honestly what became of it."""

from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from atelier_contracts import Kind, Owner, RenderSpec
from atelier_contracts.render import FailureCode


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can make, and what it needs for it."""

    kinds: frozenset[Kind]
    reads_inputs: bool


@dataclass(frozen=True, slots=True)
class Input:
    """One input as bytes, of whatever type they turn out to be."""

    role: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ProviderJob:
    """One attempt as a provider sees it. The same ``key`` never makes or costs anything twice."""

    key: str
    generation_id: UUID
    owner: Owner
    spec: RenderSpec
    inputs: tuple[Input, ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """One output: its bytes and what the provider says they are; sides in pixels."""

    data: bytes = field(repr=False)
    content_type: str
    width: int
    height: int
    sha256: str | None = None
    """In hex, where the provider says it."""


@dataclass(frozen=True, slots=True)
class Succeeded:
    """All ``delivered`` outputs were made; without pictures only where none were wanted."""

    pictures: tuple[Picture, ...]
    delivered: int


@dataclass(frozen=True, slots=True)
class Partial:
    """Only ``delivered`` of the outputs were made, and no more will come."""

    pictures: tuple[Picture, ...]
    delivered: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider will not make this, now or ever (content rules); the reason may be shown to the client."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Nothing was made, for certain."""

    code: FailureCode
    reason: str


@dataclass(frozen=True, slots=True)
class RateLimited:
    """Nothing was made; the provider asks to be left alone for so many seconds."""

    retry_after_s: float


@dataclass(frozen=True, slots=True)
class Unknown:
    """The request left and no answer came: it may or may not have been done. Ask by ``recall``, never submit again."""


Outcome = Succeeded | Partial | Refused | Failed | RateLimited | Unknown


class Provider(Protocol):
    """Makes what a job asks for."""

    @property
    def name(self) -> str:
        """How events, metrics and receipts call it."""

    @property
    def capabilities(self) -> Capabilities:
        """What may be asked of it."""

    async def submit(self, job: ProviderJob) -> Outcome:
        """Makes it, at most once a key. Cancelling the call stops the work where it can be stopped."""

    async def recall(self, key: str) -> Outcome:
        """What became of an earlier submission; Unknown while that cannot be told."""
