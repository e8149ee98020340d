"""Request bodies of the native surface: a create, which is also the body of a quote."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError

from atelier_contracts import Kind
from atelier_contracts.value_objects import (
    DELIVERY_WINDOW_S_MAX,
    INPUTS_MAX,
    KEEP_S_MAX,
    N_MAX,
    PROVIDERS_MAX,
    QUOTE_CHARS_MAX,
    AudioFormat,
    ImageFormat,
    Priority,
    Role,
)
from atelier_gateway.media.input_references import RequestedInput
from atelier_gateway.media.narration_fields import Language, NarrationText
from atelier_gateway.web.json_bodies import MultilineText, Prompt, RequestBody, SingleLine
from atelier_gateway.webhooks.receiver_urls import URL_CHARS_MAX

SEED_MAX = 2**31 - 1
PICTURE_BYTES_MAX = 8 * 1024 * 1024
DATA_CHARS_MAX = PICTURE_BYTES_MAX // 3 * 4 + 64
QUOTE_PATTERN = r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$"
NARRATIONS_ONLY = ("text", "language", "audio_format")
PICTURES_ONLY = ("size", "quality", "format")
ProviderNames = Annotated[list[SingleLine], Field(min_length=1, max_length=PROVIDERS_MAX)]
NOT_STORED = "none"
STORE_HOURS_MAX = KEEP_S_MAX // 3_600


def _check_store(value: object) -> object:
    """One sentence, where the two types would each have their own."""
    is_hours = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= STORE_HOURS_MAX
    if value is None or value == NOT_STORED or is_hours:
        return value
    raise PydanticCustomError("store", "it is none, or hours from 1 to {most}", {"most": STORE_HOURS_MAX})


LATER = ("max_credits", "quote", "providers", "exclude_providers", "start_within_s", "retry", "store", "deliver_to")
"""Fields that are no part of a request that has none of them: keys of earlier releases stay what they were."""
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
    providers: ProviderNames | None = None
    """The same for several, in the order in which they are called; others stand in after them."""
    exclude_providers: ProviderNames | None = None
    """Binding: none of these is called."""
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
    quote: Annotated[str, Field(pattern=QUOTE_PATTERN, max_length=QUOTE_CHARS_MAX)] | None = None
    """Of `POST /v1/quotes` with this body: it costs no more than that."""
    deadline_s: int | None = Field(default=None, ge=1, le=86_400)
    start_within_s: int | None = Field(default=None, ge=1, le=86_400)
    """Seconds in which its render is to start, less than ``deadline_s``: not started by then, it is refunded."""
    retry: Literal["never"] | None = None
    """``never``: one submission to one provider, whose outcome is final."""
    store: Annotated[
        Literal["none"] | Annotated[int, Field(ge=1, le=STORE_HOURS_MAX)] | None, BeforeValidator(_check_store)
    ] = None
    """Hours from its completion by which the outputs are deleted; ``none``, where it is charged on delivery: as soon as
    they are delivered and charged. Without it as long as this installation keeps them."""
    max_credits: int | None = Field(default=None, ge=0)
    """The most that it may cost, in credits: a higher price is refused with ``spend_limit_exceeded``."""
    charge: Literal["on_completion", "on_delivery"] = Field(
        default="on_completion", exclude_if=lambda charge: charge == "on_completion"
    )
    """When the outputs are charged: once they exist, or each as it is delivered."""
    delivery_window_s: int | None = Field(
        default=None, ge=1, le=DELIVERY_WINDOW_S_MAX, exclude_if=lambda window: window is None
    )
    """Charged on delivery: seconds in which the outputs are to be taken; not more than this installation allows."""
    deliver_to: list[Annotated[str, Field(min_length=1, max_length=URL_CHARS_MAX)]] | None = Field(
        default=None, min_length=1, max_length=N_MAX
    )
    """Charged on delivery: one URL for each output, signed for a PUT of its bytes into your own bucket. What the bucket
    answers with 2xx is delivered; what it does not take is refunded."""
    webhook_url: Annotated[str, Field(min_length=1, max_length=URL_CHARS_MAX)] | None = None
    """Receives the end of the generation, signed with the secret of ``GET /v1/webhooks/secret``; charged on delivery,
    also that its outputs can be taken, and answering that with 2xx takes them."""
    metadata: dict[SingleLine, Annotated[MultilineText, Field(max_length=500)]] = Field(
        default_factory=dict, max_length=50
    )

    @model_validator(mode="after")
    def _has_an_effect(self) -> Self:
        """A field without effect is refused, unless it has its default."""
        if self.delivery_window_s is not None and self.charge != "on_delivery":
            raise PydanticCustomError("not_on_delivery", "delivery_window_s is for charge on_delivery only")
        if self.deliver_to is not None and self.charge != "on_delivery":
            raise PydanticCustomError("not_on_delivery", "deliver_to is for charge on_delivery only")
        if self.deliver_to is not None and len(set(self.deliver_to)) != self.n:
            raise PydanticCustomError("one_url_each", "deliver_to needs one URL for each of the n outputs")
        if self.store == NOT_STORED and self.charge != "on_delivery":
            raise PydanticCustomError("not_on_delivery", "store none is for charge on_delivery only")
        if self.provider is not None and self.providers is not None:
            raise PydanticCustomError("one_preference", "provider and providers exclude each other")
        heard = self.kind == "narration"
        for field in PICTURES_ONLY if heard else NARRATIONS_ONLY:
            if getattr(self, field) != type(self).model_fields[field].default:
                what = {"field": field, "kinds": "pictures" if heard else "narrations"}
                raise PydanticCustomError("not_of_this_kind", "{field} is for {kinds} only", what)
        return self

    def canonical_json(self) -> str:
        """The parsed body, by which equal requests are known; as it was before the fields in ``LATER``."""
        return self.model_dump_json(exclude={name for name in LATER if getattr(self, name) is None})

    @property
    def keep_s(self) -> int | None:
        """Seconds by which its outputs are deleted, 0 once they are delivered; None for as long as all are kept."""
        if self.store is None:
            return None
        return 0 if self.store == NOT_STORED else int(self.store) * 3_600

    @property
    def roles(self) -> list[Role]:
        """Of everything that is given."""
        return [input_.role for input_ in self.inputs] + (["text"] if self.text is not None else [])
