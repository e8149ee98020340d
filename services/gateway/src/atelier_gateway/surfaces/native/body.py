"""What the native surface is asked for: the body of a create, which is the body of a quote too."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError

from atelier_contracts import Kind, Work
from atelier_contracts.vocabulary import INPUTS_MAX, N_MAX, PROMPT_CHARS_MAX, ImageFormat, Role
from atelier_gateway.bodies import Body, Line, Prose
from atelier_gateway.inputs import Given

SEED_MAX = 2**31 - 1
PICTURE_BYTES_MAX = 8 * 1024 * 1024
DATA_CHARS_MAX = PICTURE_BYTES_MAX // 3 * 4 + 64
EXAMPLE: dict[str, JsonValue] = {
    "kind": "image",
    "prompt": "a red bicycle against a white wall",
    "size": "1024x1024",
    "n": 2,
    "seed": 7,
}


class Input(Body):
    """One input picture: a key of an own upload, a URL, or the picture itself as a ``data:`` URI."""

    role: Role
    key: Annotated[str, Field(min_length=1, max_length=1_024)] | None = None
    url: Annotated[str, Field(min_length=1, max_length=4_096)] | None = None
    data: Annotated[str, Field(min_length=1, max_length=DATA_CHARS_MAX)] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(one is not None for one in (self.key, self.url, self.data)) != 1:
            raise PydanticCustomError("exactly_one", "exactly one of key, url and data is required")
        return self

    def given(self, index: int) -> Given:
        """The key or URL as the client wrote it, and where."""
        name = "url" if self.key is None else "key"
        return Given(f"inputs.{index}.{name}", self.role, self.url or self.key or "")


class CreateGeneration(Body):
    """``POST /v1/generations`` and ``POST /v1/quotes`` (REQUIREMENTS, the native surface)."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    kind: Kind
    prompt: Annotated[Prose, Field(min_length=1, max_length=PROMPT_CHARS_MAX)] | None = None
    inputs: list[Input] = Field(default_factory=list, max_length=INPUTS_MAX)
    size: Annotated[str, Field(pattern=r"^[1-9][0-9]{1,4}x[1-9][0-9]{1,4}$")] | None = None
    style: Line | None = None
    quality: Line | None = None
    format: ImageFormat = "png"
    n: int = Field(default=1, ge=1, le=N_MAX)
    seed: int = Field(default=0, ge=0, le=SEED_MAX)
    provider: Line | None = None
    model: Line | None = None
    deadline_s: int | None = Field(default=None, ge=1, le=86_400)
    metadata: dict[Line, Annotated[Prose, Field(max_length=500)]] = Field(default_factory=dict, max_length=50)

    def work(self) -> Work:
        """What the price depends on."""
        characters = len(self.prompt or "") if self.kind == "narration" else 0
        return Work(kind=self.kind, quality=self.quality, size=self.size, n=self.n, characters=characters)
