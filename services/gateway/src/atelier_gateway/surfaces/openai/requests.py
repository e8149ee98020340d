"""Requests of OpenAI's image routes: JSON for a generation, multipart forms for edits and variations.

What is not supported is refused with its reason, never ignored (``parameters.py``).
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError
from starlette.datastructures import UploadFile
from starlette.requests import Request

from atelier_contracts.value_objects import N_MAX, PREVIEWS_MAX
from atelier_gateway.surfaces.openai import parameters as known
from atelier_gateway.surfaces.openai.multipart_forms import AS_A_FILE, form_of
from atelier_gateway.web.json_bodies import MultilineText, Prompt, RequestBody, SingleLine, validation_problem
from atelier_gateway.web.problems import field_problem

IMAGE_FIELDS = ("image", "image[]")
FILE_FIELDS = (*IMAGE_FIELDS, "mask")
NOTHING_SAID = ("", "none", "null")
"""Form values that mean absence, in any case of letters: other languages than JSON write None."""


def _refuse(why: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if value is not None:
            raise PydanticCustomError("unsupported_parameter", "{why}", {"why": why})
        return value

    return check


def refuse_values(reasons: Mapping[str, str]) -> Callable[[Any], Any]:
    """A check that refuses these values with their reasons."""

    def check(value: Any) -> Any:
        if isinstance(value, str) and value in reasons:
            raise PydanticCustomError("unsupported_parameter", "{why}", {"why": reasons[value]})
        return value

    return check


def _blank_is_absent(value: Any) -> Any:
    return None if isinstance(value, str) and value.strip().lower() in NOTHING_SAID else value


BLANK = BeforeValidator(_blank_is_absent)
NEVER = Field(description="Not offered: any value is refused with the reason.")
Streamed = Annotated[bool | None, BLANK, Field(description="Whether the answer comes as server-sent events.")]
Partials = Annotated[
    Annotated[int, Field(ge=0, le=PREVIEWS_MAX)] | None,
    BLANK,
    Field(description="How many pictures on the way to the final one a stream brings at most."),
]
Compression = Annotated[int, Field(ge=0, le=100, description="Of a JPEG or a WebP: 100 is the best.")]
Unplanned = Annotated[Any, BLANK, BeforeValidator(_refuse(known.NOT_PLANNED)), NEVER]
Unanimated = Annotated[Any, BLANK, BeforeValidator(_refuse(known.NOT_ANIMATED)), NEVER]
Undrawn = Annotated[Any, BLANK, BeforeValidator(_refuse(known.NOT_DRAWN)), NEVER]
Unmarked = Annotated[Any, BLANK, BeforeValidator(_refuse(known.NOT_MARKED_UP)), NEVER]
Format = Annotated[
    Literal["png", "jpeg", "webp"] | None, BeforeValidator(refuse_values(known.FINISH["output_format"].refused))
]


class _Choice(RequestBody):
    """The fields of all three routes."""

    model: SingleLine | None = None
    n: int | None = Field(default=None, ge=1, le=N_MAX)
    size: SingleLine | None = None
    response_format: Literal["url", "b64_json"] | None = None
    user: Annotated[MultilineText, Field(max_length=500)] | None = None


class _Finish(_Choice):
    """The further fields of generations and edits."""

    prompt: Prompt
    quality: SingleLine | None = None
    output_format: Format = None
    output_compression: Compression | None = None
    background: Literal["auto", "opaque", "transparent"] | None = None
    safety_identifier: Annotated[MultilineText, Field(max_length=500)] | None = None
    stream: Streamed = None
    partial_images: Partials = None
    complexity: Unplanned = None
    frame_count: Unanimated = None
    frame_duration_ms: Unanimated = None
    svg: Undrawn = None


class OpenAIImageRequest(_Finish):
    """``POST /v1/images/generations``."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"model": "dall-e-3", "prompt": "a red bicycle", "size": "1024x1024"}]}
    )

    style: SingleLine | None = None
    moderation: Literal["auto", "low"] | None = None


class OpenAIImageEditRequest(_Finish):
    """``POST /v1/images/edits``, but for its files."""

    model_config = ConfigDict(strict=False)

    input_fidelity: Literal["high", "low"] | None = None
    markup: Unmarked = None


class OpenAIImageVariationRequest(_Choice):
    """``POST /v1/images/variations``, but for its file."""

    model_config = ConfigDict(strict=False)


Fields = TypeVar("Fields", OpenAIImageEditRequest, OpenAIImageVariationRequest)


class File:
    """One uploaded picture: the role it plays, its name, its bytes."""

    __slots__ = ("data", "filename", "role")

    def __init__(self, role: Literal["image", "mask"], filename: str, data: bytes) -> None:
        self.role = role
        self.filename = filename
        self.data = data


async def read_form(request: Request, model: type[Fields]) -> tuple[Fields, list[File]]:
    """The fields as a model and the pictures, in the order given. Raises Problem 400."""
    fields: dict[str, str] = {}
    files: list[File] = []
    async with form_of(request) as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                files.append(File(_role(name), value.filename or "upload", await value.read()))
            elif name in FILE_FIELDS:
                raise field_problem(name, AS_A_FILE)
            elif name.startswith("svg["):
                raise field_problem("svg", known.NOT_DRAWN)
            elif name in fields:
                raise field_problem(name, "it is given twice")
            else:
                fields[name] = value
    try:
        return model.model_validate(fields), files
    except ValidationError as error:
        raise validation_problem(error) from None


def _role(name: str) -> Literal["image", "mask"]:
    if name in IMAGE_FIELDS:
        return "image"
    if name == "mask":
        return "mask"
    if name == "markup":
        raise field_problem(name, known.NOT_MARKED_UP)
    raise field_problem(name, "no file is taken here; send it as text, without a file name")
