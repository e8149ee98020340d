"""What a provider is: something that takes a job under an idempotency key and says honestly what became of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from atelier_contracts import Kind, Owner, RenderSpec
from atelier_contracts.render import FailureCode
from atelier_contracts.vocabulary import N_MAX


@dataclass(frozen=True, slots=True)
class Offer:
    """What may be asked of one kind. The first of each list is made where nothing is asked; of an empty one anything
    may be asked, and makes no difference."""

    sizes: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    qualities: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    n_max: int = N_MAX
    note: str = ""
    """One sentence for the reader of the table."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can make, and what it needs for it: the one declaration that requests are checked against and
    the documentation's table is made of."""

    offers: Mapping[Kind, Offer]
    reads_inputs: bool

    @property
    def kinds(self) -> frozenset[Kind]:
        """Everything offered."""
        return frozenset(self.offers)

    def objection(self, spec: RenderSpec) -> str | None:
        """Why this cannot be asked, in words for the client; None where it can."""
        offer = self.offers.get(spec.kind)
        if offer is None:
            return f"it cannot make {spec.kind}"
        asked = (
            ("size", spec.size, offer.sizes),
            ("style", spec.style, offer.styles),
            ("quality", spec.quality, offer.qualities),
            ("format", spec.format, offer.formats),
        )
        for name, value, offered in asked:
            if value is not None and offered and value not in offered:
                return f"the {name} of {spec.kind} is one of {', '.join(offered)}, not {value}"
        return None if spec.n <= offer.n_max else f"it makes at most {offer.n_max} of {spec.kind} at once"


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
    tell: Callable[[int], None] = field(default=lambda _: None, repr=False)
    """Takes the percentage done, as often as the provider likes; it costs next to nothing."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One output: its bytes and what the provider says they are; sides in pixels, None for what is heard."""

    data: bytes = field(repr=False)
    content_type: str
    width: int | None = None
    height: int | None = None
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
