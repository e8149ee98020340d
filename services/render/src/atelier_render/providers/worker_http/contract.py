"""The bodies that render and a worker exchange: the one place they are written down, from which the description for
people who write workers is generated (``docs/providers/http-worker.openapi.json``).
"""

import base64
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, EncodedBytes, EncoderProtocol, Field, TypeAdapter
from pydantic_core import PydanticCustomError

from atelier_contracts import Kind
from atelier_contracts.value_objects import N_MAX, PHOTOS_MAX, AudioFormat, ImageFormat, Role, SpeechOptions, Tuning
from atelier_render.usage import count_of

KEY_CHARS_MAX = 200
REASON_CHARS_MAX = 500
URL_CHARS_MAX = 4096


class Base64(EncoderProtocol):
    """The standard alphabet with padding, which every language writes by default."""

    @classmethod
    def decode(cls, data: bytes) -> bytes:
        """Refuses what is not base64, instead of passing over it."""
        try:
            return base64.b64decode(data, validate=True)
        except ValueError as error:
            raise PydanticCustomError("base64", "not base64 in the standard alphabet") from error

    @classmethod
    def encode(cls, value: bytes) -> bytes:
        """Without line breaks."""
        return base64.b64encode(value)

    @classmethod
    def get_json_format(cls) -> str:
        """As JSON Schema's ``format``."""
        return "base64"


Bytes = Annotated[bytes, EncodedBytes(encoder=Base64)]


class Body(BaseModel):
    """What goes over the wire. Fields a reader does not know are passed over, so that either side may learn first."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


class JobInput(Body):
    """A picture or text the client gave, as bytes; whatever type they turn out to be."""

    role: Role
    data: Bytes = Field(repr=False)


class Job(Body):
    """What to make. A retry under the same key carries the same body, byte for byte."""

    key: str = Field(max_length=KEY_CHARS_MAX)
    """Also the ``Idempotency-Key`` header: whatever comes twice under one key is made once."""
    kind: Kind
    mode: str | None = None
    """Of kind image: ``words`` (a prompt alone), ``edit`` (prompt and picture, perhaps a mask) or ``variation`` (a
    picture alone)."""
    model: str | None = None
    prompt: str | None = None
    inputs: tuple[JobInput, ...] = Field(default=(), max_length=PHOTOS_MAX)
    size: str | None = None
    """As the worker's offer lists it; its first where the client named none."""
    style: str | None = None
    quality: str | None = None
    format: ImageFormat = "png"
    n: int = Field(default=1, ge=1, le=N_MAX)
    """How many outputs are wanted."""
    seed: int = 0
    """Of the first output; each next one has the next number."""
    mannequin: str | None = None
    background: str | None = None
    tuning: Tuning | None = None
    language: str | None = None
    audio_format: AudioFormat = "mp3"
    """Of a narration."""
    speech: SpeechOptions | None = None
    """Of a narration: how it is spoken; its style is the voice."""
    patience_s: float
    """Seconds after which render no longer waits, and cancels."""
    callback_url: str | None = None
    """Where a signed ``Hint`` ends render's waiting early; absent where render cannot be called."""


class Output(Body):
    """One thing made, in line or by a URL: of the worker's own origin, or of a public address."""

    data: Bytes | None = Field(default=None, repr=False)
    url: str | None = Field(default=None, max_length=URL_CHARS_MAX)
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    """Of the bytes, in hex; checked where given."""


class UsageReport(Body):
    """What the job used, for the operator's costs: whole numbers; what is left out is 0."""

    input_text_tokens: int = Field(default=0, ge=0)
    input_image_tokens: int = Field(default=0, ge=0)
    output_text_tokens: int = Field(default=0, ge=0)
    output_image_tokens: int = Field(default=0, ge=0)
    characters: int = Field(default=0, ge=0)
    milliseconds: int = Field(default=0, ge=0)
    """Of compute, or whatever else is priced by time."""


def _readable_usage(value: object) -> object:
    """Counts that are none are passed over: the picture is delivered all the same."""
    return {str(name): count_of(count) for name, count in value.items()} if isinstance(value, dict) else None


ReportedUsage = Annotated[UsageReport | None, BeforeValidator(_readable_usage)]


class Underway(Body):
    """Taken, and not ended yet."""

    status: Literal["queued", "running"]
    progress: int = Field(default=0, ge=0, le=100)
    """Percent."""


class Made(Body):
    """``succeeded``: all that was wanted; ``partial``: this much, and no more will come."""

    status: Literal["succeeded", "partial"]
    outputs: tuple[Output, ...] = Field(min_length=1, max_length=N_MAX)
    usage: ReportedUsage = None


class Declined(Body):
    """The worker will not make this, now or ever (content rules); the client reads the reason."""

    status: Literal["refused"]
    reason: str
    usage: ReportedUsage = None


class Broken(Body):
    """Nothing was made, and nothing will be under this key unless it is submitted again."""

    status: Literal["failed"]
    reason: str
    retryable: bool = False
    """Whether a later submission under the same key may succeed."""
    usage: ReportedUsage = None


class Problem(Body):
    """Why a request is not accepted, beside a status of 400, 413, 415 or 422; the client may read it."""

    reason: str


class Hint(Body):
    """The body of a callback: this job has something new to say. It carries no result; render asks for that."""

    key: str = Field(max_length=KEY_CHARS_MAX)


Answer = Annotated[Underway | Made | Declined | Broken, Field(discriminator="status")]
ANSWER: TypeAdapter[Underway | Made | Declined | Broken] = TypeAdapter(Answer)
