"""The values that messages share: the owner of a generation, its request, its outputs."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from atelier_contracts.narration import INSTRUCTION_CHARS_MAX, SPEED_MAX, SPEED_MIN

OwnerKind = Literal["store", "user", "workspace"]
Channel = Literal["b2b", "b2c"]
Kind = Literal["try_on", "product_shot", "image", "on_model", "flat_lay", "narration"]
Role = Literal["person", "garment", "product", "model", "image", "mask", "photo", "text"]
PREVIEWS_MAX = 3
ImageFormat = Literal["png", "jpeg", "webp", "avif"]
Priority = Literal["high", "normal", "low"]
AudioFormat = Literal["mp3", "wav", "opus", "aac", "flac"]
DeliveryMethod = Literal["fetched", "acknowledged", "webhook", "bucket"]
SimulatedOutcome = Literal["succeed", "fail", "timeout", "lost_response", "corrupt", "partial"]

N_MAX = 10
IMAGES_MAX = 16
"""Pictures that one picture is made from."""
INPUTS_MAX = IMAGES_MAX + 1
"""Them and a mask."""
PHOTOS_MAX = 10
"""Photographs of a try-on, an on-model picture or a flat lay."""
PROMPT_CHARS_MAX = 4000
CREDITS_MAX = 1_000_000_000
SPENDERS_MAX = 8
PROVIDERS_MAX = 10
KEEP_S_MAX = 31_536_000
DELIVERY_WINDOW_S_MAX = 604_800
QUOTE_CHARS_MAX = 2_000
TEST_VERSION = 8
"""Of the UUIDs of test accounts; those of live owners have another one."""
_VERSION_BIT = 76


class ValueObject(BaseModel):
    """A value carried inside messages: frozen, tolerant of fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Metadata(dict[str, str]):
    """A client's own data on its request, such as an order number; it is returned wherever the
    generation is shown. A value of a frozen message: hashable, never changed."""

    def __hash__(self) -> int:  # type: ignore[override]  # a dict has none, for it may change
        return hash(frozenset(self.items()))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """A JSON object of strings."""
        return core_schema.no_info_after_validator_function(cls, handler(dict[str, str]))


class Owner(ValueObject):
    """Whose credits pay and whose prefix the artefacts live under."""

    kind: OwnerKind
    id: UUID

    @property
    def is_test(self) -> bool:
        """Whether it is the test account of a live owner: simulated, paid for with test credits, apart in every way."""
        return is_test_id(self.id)


def is_test_id(id_: UUID) -> bool:
    """Whether this is the id of a test account. Ids of live owners are UUIDs of another version."""
    return id_.version == TEST_VERSION


def id_of_test_account(id_: UUID) -> UUID:
    """The id of the test account of a live owner: the same UUID with version 8, left to applications (RFC 9562)."""
    return UUID(int=id_.int & ~(0xF << _VERSION_BIT) | TEST_VERSION << _VERSION_BIT)


class Spender(ValueObject):
    """Who spends an owner's credits: the owner (``store``, ``user``, ``workspace``), an API ``key`` of a store, a
    ``user`` who acts for a workspace. Further kinds may be added, so that ``kind`` is any word."""

    kind: str = Field(min_length=1, max_length=20)
    id: UUID


class InputRef(ValueObject):
    """One input, by the key of a stored object or by a URL still to be fetched; never its bytes."""

    role: Role
    key: str | None = None
    url: str | None = None
    sha256: str | None = None
    """In hex, of the bytes that were checked and priced: no others are used. None for a URL still to be fetched."""


class Simulation(ValueObject):
    """The behaviour of the simulator provider; only where the simulator is enabled."""

    outcome: SimulatedOutcome = "succeed"
    delivered: int | None = Field(default=None, ge=0, le=N_MAX)
    """For ``partial``: how many of the n are made."""
    delay_ms: int = Field(default=0, ge=0, le=600_000)
    picture: bool = True
    """False: no artefact is made or stored, for measuring everything but the picture."""


class Work(ValueObject):
    """The part of a request that the price depends on (price book: libs/pricing)."""

    kind: Kind
    quality: str | None = None
    size: str | None = None
    n: int = Field(default=1, ge=1, le=N_MAX)
    characters: int = Field(default=0, ge=0, le=50_000)
    """Length of the text for a narration."""


class Tuning(ValueObject):
    """Parameters of diffusion models beside the prompt; other providers ignore them."""

    guidance_scale: float = Field(default=7.5, ge=1, le=20)
    num_inference_steps: int = Field(default=50, ge=20, le=100)
    strength: float = Field(default=0.8, ge=0.1, le=1)


class OpenAIOptions(ValueObject):
    """What only OpenAI's API has parameters for; sent there as the client gave it."""

    moderation: Literal["auto", "low"] | None = None
    input_fidelity: Literal["low", "high"] | None = None
    background: Literal["auto", "opaque", "transparent"] | None = None
    user: str | None = None
    safety_identifier: str | None = None


class SpeechOptions(ValueObject):
    """How a narration is spoken."""

    speed: float = Field(default=1.0, ge=SPEED_MIN, le=SPEED_MAX)
    instructions: str | None = Field(default=None, max_length=INSTRUCTION_CHARS_MAX)
    """In the client's words, for a voice that takes directions."""
    rate_hz: int | None = None
    """Samples a second, where the client relies on a rate."""


class RenderSpec(ValueObject):
    """The part of a request that the picture depends on."""

    kind: Kind
    prompt: str | None = Field(default=None, max_length=PROMPT_CHARS_MAX)
    inputs: tuple[InputRef, ...] = Field(default=(), max_length=INPUTS_MAX)
    size: str | None = None
    style: str | None = None
    quality: str | None = None
    format: ImageFormat = "png"
    n: int = Field(default=1, ge=1, le=N_MAX)
    seed: int = 0
    provider: str | None = None
    model: str | None = None
    mannequin: str | None = None
    """Id in ``catalogue.MANNEQUINS``; for on-model pictures."""
    background: str | None = None
    """Id in ``catalogue.BACKGROUNDS``; for on-model and flat-lay pictures."""
    tuning: Tuning | None = None
    openai: OpenAIOptions | None = None
    language: str | None = None
    """Code in ``narration.LANGUAGES``; for narrations."""
    audio_format: AudioFormat = "mp3"
    """For narrations."""
    transparent: bool = Field(default=False, exclude_if=lambda transparent: not transparent)
    """Whether what is behind the subject of a picture is left out."""
    compression: int | None = Field(default=None, ge=0, le=100, exclude_if=lambda compression: compression is None)
    """Quality of a JPEG or a WebP; None for the maker's own."""
    speech: SpeechOptions | None = Field(default=None, exclude_if=lambda speech: speech is None)
    previews: int = Field(default=0, ge=0, le=PREVIEWS_MAX, exclude_if=lambda previews: not previews)
    """How many pictures on the way to the final one its client waits for; a provider that has none shows none."""
    reuse: bool = False
    """Whether an equal earlier result of the same owner may be delivered instead of a new render."""
    priority: Priority = "normal"
    """Which of its owner's waiting generations goes first; it takes no turn from another owner."""
    simulate: Simulation | None = None
    providers: tuple[str, ...] = Field(default=(), max_length=PROVIDERS_MAX, exclude_if=lambda names: not names)
    """Providers in the order in which they are asked; others stand in after them."""
    excluded_providers: tuple[str, ...] = Field(
        default=(), max_length=PROVIDERS_MAX, exclude_if=lambda names: not names
    )
    """Providers that are never asked."""
    retry: bool = Field(default=True, exclude_if=bool)
    """Whether it may be submitted again, to the same or another provider, after a submission that brought nothing."""
    keep_s: int | None = Field(default=None, ge=0, le=KEEP_S_MAX, exclude_if=lambda seconds: seconds is None)
    """Seconds from completion by which the outputs are deleted; 0: as soon as they are delivered and charged. None:
    as long as this installation keeps them."""
    keep_for_reuse: bool = Field(default=True, exclude_if=bool)
    """Whether the result may be delivered again later, to a request with ``reuse``; not what may yet be withdrawn."""


class OutputDelivery(ValueObject):
    """One output reached its client: which of the generation's outputs, from 0, how, and when."""

    output: int = Field(ge=0, le=N_MAX - 1)
    how: DeliveryMethod
    """``fetched`` whole through a link of the gateway; ``acknowledged`` by API; ``webhook``: answered with 2xx;
    ``bucket``: put into the client's own, which answered 2xx."""
    at: datetime


class Artefact(ValueObject):
    """One delivered output. ``sha256`` in hex over the stored bytes, size in bytes; sides in pixels, None for audio."""

    key: str
    content_type: str
    size: int
    sha256: str
    width: int | None = None
    height: int | None = None
    thumbnail: str | None = None
    """Key of a small WebP of it."""
    colours: tuple[str, ...] = ()
    """Its dominant colours as ``#rrggbb``, the most frequent first."""
    tags: tuple[str, ...] = ()
    """Search words for its content and for how it was made."""
