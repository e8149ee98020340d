"""The provider protocol: takes a job under an idempotency key and reports its outcome honestly."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol
from uuid import UUID

from atelier_contracts import Kind, Owner, RenderSpec
from atelier_contracts.image_models import is_any_size
from atelier_contracts.render import FailureCode
from atelier_contracts.value_objects import N_MAX
from atelier_render.usage import UsageMeter

Mode = Literal["words", "edit", "variation"]
"""How a picture of kind ``image`` is requested: by a prompt, by a prompt and a picture, by a picture alone."""

LOST = "lost"
"""The message of a cancellation when the job is, or will soon be, another process's: the work goes on for that one."""


@dataclass(frozen=True, slots=True)
class Offer:
    """The options of one kind, or of one group of models that make it. The first of each list is the default; an
    empty list accepts any value and ignores it."""

    kind: Kind
    modes: tuple[Mode, ...] = ()
    models: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    qualities: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    n_max: int = N_MAX
    any_size: bool = False
    """Whether other sizes are made too, within the rules of ``image_models.is_any_size``."""
    transparent: bool = False
    """Whether a background can be left out."""
    audio_formats: tuple[str, ...] = ("mp3", "wav")
    """Of a narration."""
    images_max: int = 4
    """Pictures that one picture is made from, at most."""
    note: str = ""
    """One sentence for the reader of the table."""

    def objection(self, spec: RenderSpec) -> str | None:
        """Why this row does not cover a request for its kind, in words for the client; None where it does."""
        asked: tuple[tuple[str, str | None, tuple[str, ...]], ...] = (
            ("mode", mode_of(spec), self.modes),
            ("model", spec.model, self.models),
            ("size", spec.size, self.sizes),
            ("style", spec.style, self.styles),
            ("quality", spec.quality, self.qualities),
            ("format", spec.format, self.formats),
            ("audio_format", spec.audio_format if spec.kind == "narration" else None, self.audio_formats),
        )
        for name, value, offered in asked:
            if name == "size" and self.any_size and is_any_size(value or ""):
                continue
            if value is not None and offered and value not in offered:
                return f"the {name} of {spec.kind} is one of {', '.join(offered)}, not {value}"
        if spec.transparent and not self.transparent:
            return f"the background of {spec.kind} cannot be transparent"
        if sum(given.role == "image" for given in spec.inputs) > self.images_max:
            return f"it takes at most {self.images_max} pictures for {spec.kind}"
        return None if spec.n <= self.n_max else f"it makes at most {self.n_max} of {spec.kind} at once"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can make, and what it needs for it: the one declaration that requests are checked against and
    the documentation's table is made of."""

    offers: tuple[Offer, ...]
    reads_inputs: bool
    remote: bool = False
    """The work is done elsewhere and outlives our process: a submission is logged before it leaves, and the process
    that takes over a lost attempt first recalls its outcome."""
    recalls: bool = True
    """Whether it can ever report the outcome of a submission whose answer was lost; else it is not polled for it."""
    simulates: bool = False
    """It pretends: nothing but this is called for a test account."""
    last_resort: bool = False
    """Used by name, or for a kind that no other makes; never a fail-over target."""

    @property
    def kinds(self) -> frozenset[Kind]:
        """Everything offered."""
        return frozenset(offer.kind for offer in self.offers)

    def objection(self, spec: RenderSpec) -> str | None:
        """Why this is not offered, in words for the client; None where one of the rows covers it."""
        rows = [offer for offer in self.offers if offer.kind == spec.kind]
        rows.sort(key=lambda offer: spec.model not in offer.models)  # the row of the model asked for explains best
        objections = [offer.objection(spec) for offer in rows]
        if not objections:
            return f"it cannot make {spec.kind}"
        return None if None in objections else objections[0]


def mode_of(spec: RenderSpec) -> Mode | None:
    """How a picture is requested; None for every other kind."""
    if spec.kind != "image":
        return None
    if not any(given.role == "image" for given in spec.inputs):
        return "words"
    return "edit" if spec.prompt else "variation"


async def show_to_no_client(picture: "Picture") -> None:
    """Where no client waits for previews."""


async def record_nowhere(part: str, request_id: str) -> None:
    """Where no submission is logged."""


@dataclass(frozen=True, slots=True)
class Input:
    """One input as bytes, of whatever type they turn out to be."""

    role: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ProviderJob:
    """The request as a provider sees it. ``key`` is the same for every try and every attempt at one generation: a
    provider that honours it never makes or charges anything twice."""

    key: str
    generation_id: UUID
    owner: Owner
    spec: RenderSpec
    inputs: tuple[Input, ...] = ()
    tell: Callable[[int], None] = field(default=lambda _: None, repr=False)
    """Takes the percentage done, as often as the provider likes; it costs next to nothing."""
    show: Callable[["Picture"], Awaitable[None]] = field(default=show_to_no_client, repr=False)
    """Shows the client a preview of the picture, the coarsest first; ``spec.previews`` are waited for."""
    meter: UsageMeter = field(default_factory=UsageMeter, repr=False)
    """Takes each call that leaves and what its answer says it used, whatever comes of it."""
    accepted: Mapping[str, str] = field(default_factory=dict)
    """The provider's own ids of the requests that it has taken of this submission, by the part that each makes."""
    record_accepted: Callable[[str, str], Awaitable[None]] = field(default=record_nowhere, repr=False)
    """Takes a part and its id as soon as the provider has taken it: the process after this one asks by it."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One output: its bytes and what the provider says they are; sides in pixels, None for audio."""

    data: bytes = field(repr=False)
    content_type: str
    width: int | None = None
    height: int | None = None
    sha256: str | None = None
    """In hex, where the provider says it."""
    as_made: bytes | None = field(default=None, repr=False)
    """What the provider delivered under a manifest of its own, where it was encoded again here."""


@dataclass(frozen=True, slots=True)
class Succeeded:
    """All ``delivered`` outputs were made; without pictures only where none were wanted."""

    pictures: tuple[Picture, ...]
    delivered: int
    model: str | None = None
    """The model that made them, where the provider has models with names."""


@dataclass(frozen=True, slots=True)
class Partial:
    """Only ``delivered`` of the outputs were made, and no more will come."""

    pictures: tuple[Picture, ...]
    delivered: int
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider will not make this, now or ever (content rules); the reason may be shown to the client."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Nothing was made, for certain, and asking this provider again will not help."""

    code: FailureCode
    reason: str


@dataclass(frozen=True, slots=True)
class Transient:
    """Nothing was made, for certain; trying again may help: a connection refused, a 5xx answered."""

    reason: str


@dataclass(frozen=True, slots=True)
class RateLimited:
    """Nothing was made; the provider asks to be left alone for so many seconds."""

    retry_after_s: float


@dataclass(frozen=True, slots=True)
class Unknown:
    """The request left and no answer came: it may or may not have been done. Ask by ``recall``, never submit again."""


ProviderOutcome = Succeeded | Partial | Refused | Failed | Transient | RateLimited | Unknown


def with_model(model: str, outcome: ProviderOutcome) -> ProviderOutcome:
    """The same outcome, which names the model where something was made."""
    return replace(outcome, model=model) if isinstance(outcome, Succeeded | Partial) else outcome


class Provider(Protocol):
    """Makes what a job asks for."""

    @property
    def name(self) -> str:
        """How events, metrics and receipts call it."""

    @property
    def capabilities(self) -> Capabilities:
        """Its offers."""

    async def submit(self, job: ProviderJob) -> ProviderOutcome:
        """Makes it, at most once a key. Cancelling the call stops the work where it can be stopped."""

    async def recall(self, job: ProviderJob) -> ProviderOutcome:
        """The outcome of an earlier submission under the job's key; Unknown while that is not known. A provider whose
        work dies with our process answers Transient: nothing was made."""
