"""The values that messages share: the owner of a generation, its request, its outputs."""

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

OwnerKind = Literal["store", "user", "workspace"]
Channel = Literal["b2b", "b2c"]
Kind = Literal["try_on", "product_shot", "image", "on_model", "flat_lay", "narration"]
Role = Literal["person", "garment", "product", "model", "image", "mask", "photo", "text"]
ImageFormat = Literal["png", "jpeg", "webp"]
Priority = Literal["high", "normal", "low"]
AudioFormat = Literal["mp3", "wav"]
SimulatedOutcome = Literal["succeed", "fail", "timeout", "lost_response", "corrupt", "partial"]

N_MAX = 10
INPUTS_MAX = 10
PROMPT_CHARS_MAX = 4000
CREDITS_MAX = 1_000_000_000


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
    background: Literal["auto", "opaque"] | None = None
    user: str | None = None
    safety_identifier: str | None = None


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
    reuse: bool = False
    """Whether an equal earlier result of the same owner may be delivered instead of a new render."""
    priority: Priority = "normal"
    """Which of its owner's waiting generations goes first; it takes no turn from another owner."""
    simulate: Simulation | None = None


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
