"""Requests of OpenAI's image routes: JSON for a generation, multipart forms for edits and variations.

What is not supported is refused, never ignored: streaming, transparent backgrounds, compression levels.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError
from starlette.datastructures import UploadFile
from starlette.requests import Request

from atelier_contracts.value_objects import N_MAX, ImageFormat
from atelier_gateway.generations.input_rules import INPUT_RULES
from atelier_gateway.surfaces.openai.multipart_forms import AS_A_FILE, form_of
from atelier_gateway.web.json_bodies import MultilineText, Prompt, RequestBody, SingleLine, validation_problem
from atelier_gateway.web.problems import field_problem

IMAGES_MAX = INPUT_RULES["image"].roles["image"][1]
IMAGE_FIELDS = ("image", "image[]")
FILE_FIELDS = (*IMAGE_FIELDS, "mask")
NOTHING_SAID = ("", "none", "null")
"""Form values that mean absence, in any case of letters: other languages than JSON write None."""


def _refuse(why: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if value:
            raise PydanticCustomError("unsupported_parameter", "{why}", {"why": why})
        return value

    return check


def _blank_is_absent(value: Any) -> Any:
    return None if isinstance(value, str) and value.strip().lower() in NOTHING_SAID else value


UNSTREAMED = "streaming is not offered here; leave it out or say false"
Unstreamed = Annotated[
    bool | None,
    BeforeValidator(_blank_is_absent),
    AfterValidator(_refuse(UNSTREAMED)),
    Field(description="Only false."),
]
NoPartials = Annotated[
    int | None, BeforeValidator(_blank_is_absent), AfterValidator(_refuse(UNSTREAMED)), Field(description="Only 0.")
]
Uncompressed = Annotated[int, Field(ge=100, le=100, description="Pictures are not compressed further.")]


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
    output_format: ImageFormat | None = None
    output_compression: Uncompressed | None = None
    background: Literal["auto", "opaque"] | None = None
    safety_identifier: Annotated[MultilineText, Field(max_length=500)] | None = None
    stream: Unstreamed = None
    partial_images: NoPartials = None


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
    raise field_problem(name, "no file is taken here; send it as text, without a file name")
