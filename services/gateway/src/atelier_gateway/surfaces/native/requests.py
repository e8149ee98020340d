"""Request bodies of the native surface: a create, which is also the body of a quote."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError

from atelier_contracts import Kind
from atelier_contracts.value_objects import INPUTS_MAX, N_MAX, AudioFormat, ImageFormat, Priority, Role
from atelier_gateway.media.input_references import RequestedInput
from atelier_gateway.media.narration_fields import Language, NarrationText
from atelier_gateway.web.json_bodies import MultilineText, Prompt, RequestBody, SingleLine
from atelier_gateway.webhooks.receiver_urls import URL_CHARS_MAX

SEED_MAX = 2**31 - 1
PICTURE_BYTES_MAX = 8 * 1024 * 1024
DATA_CHARS_MAX = PICTURE_BYTES_MAX // 3 * 4 + 64
NARRATIONS_ONLY = ("text", "language", "audio_format")
PICTURES_ONLY = ("size", "quality", "format")
EXAMPLE: dict[str, JsonValue] = {
    "kind": "image",
    "prompt": "a red bicycle against a white wall",
    "size": "1024x1024",
    "n": 2,
    "seed": 7,
}


class GenerationInput(RequestBody):
    """One input: a key of an own upload, a URL, or the thing itself as a ``data:`` URI. Role ``text`` is what a
    narration reads, every other role a picture."""

    role: Role
    key: Annotated[str, Field(min_length=1, max_length=1_024)] | None = None
    url: Annotated[str, Field(min_length=1, max_length=4_096)] | None = None
    data: Annotated[str, Field(min_length=1, max_length=DATA_CHARS_MAX)] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(source is not None for source in (self.key, self.url, self.data)) != 1:
            raise PydanticCustomError("exactly_one", "exactly one of key, url and data is required")
        return self

    def to_requested_input(self, index: int) -> RequestedInput:
        """The key or URL as the client wrote it, and where."""
        name = "url" if self.key is None else "key"
        return RequestedInput(f"inputs.{index}.{name}", self.role, self.url or self.key or "")


class GenerationRequest(RequestBody):
    """``POST /v1/generations`` and ``POST /v1/quotes``."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    kind: Kind
    prompt: Prompt | None = None
    """What the image shows; required unless another is varied."""
    inputs: list[GenerationInput] = Field(default_factory=list, max_length=INPUTS_MAX)
    """Each with its ``role``, and ``key``, ``url`` or ``data``."""
    size: Annotated[str, Field(pattern=r"^[1-9][0-9]{1,4}x[1-9][0-9]{1,4}$")] | None = None
    """As ``1024x1024``; what is offered: ``GET /v1/capabilities``."""
    style: SingleLine | None = None
    quality: SingleLine | None = None
    format: ImageFormat = "png"
    n: int = Field(default=1, ge=1, le=N_MAX)
    """How many; charged as delivered."""
    seed: int = Field(default=0, ge=0, le=SEED_MAX)
    """The same seed, words and pictures give the same result where a provider can keep that promise."""
    provider: SingleLine | None = None
    """A preference: this provider makes it if it can."""
    model: SingleLine | None = None
    """Binding: one of those that a provider here lists for the kind, `GET /v1/capabilities`."""
    text: NarrationText | None = None
    """What a narration reads; longer than a prompt may be."""
    language: Language | None = None
    audio_format: AudioFormat = "mp3"
    reuse: bool = False
    """Whether an equal earlier result of the same owner may be delivered, at the price of one."""
    priority: Priority = "normal"
    """Which of its owner's waiting generations goes first; it takes no turn from another owner."""
    deadline_s: int | None = Field(default=None, ge=1, le=86_400)
    webhook_url: Annotated[str, Field(min_length=1, max_length=URL_CHARS_MAX)] | None = None
    """Receives the end of the generation, signed with the secret of ``GET /v1/webhooks/secret``."""
    metadata: dict[SingleLine, Annotated[MultilineText, Field(max_length=500)]] = Field(
        default_factory=dict, max_length=50
    )

    @model_validator(mode="after")
    def _has_an_effect(self) -> Self:
        """A field without effect on the kind is refused, unless it has its default."""
        heard = self.kind == "narration"
        for field in PICTURES_ONLY if heard else NARRATIONS_ONLY:
            if getattr(self, field) != type(self).model_fields[field].default:
                what = {"field": field, "kinds": "pictures" if heard else "narrations"}
                raise PydanticCustomError("not_of_this_kind", "{field} is for {kinds} only", what)
        return self

    @property
    def roles(self) -> list[Role]:
        """Of everything that is given."""
        return [input_.role for input_ in self.inputs] + (["text"] if self.text is not None else [])
