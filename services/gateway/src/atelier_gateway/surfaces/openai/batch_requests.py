"""Requests of OpenAI's files and batches."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile
from starlette.requests import Request

from atelier_gateway.surfaces.openai import parameters as known
from atelier_gateway.surfaces.openai.multipart_forms import form_of
from atelier_gateway.surfaces.openai.requests import refuse_values
from atelier_gateway.web.json_bodies import FileName, MultilineText, RequestBody, SingleLine, validation_problem
from atelier_gateway.web.problems import Problem, field_problem

FILE_ID, BATCH_ID = "file-", "batch_"
LIFE_S_MIN, LIFE_S_MAX = 3_600, 2_592_000
LifeS = Annotated[int, Field(ge=LIFE_S_MIN, le=LIFE_S_MAX)]
Purpose = Annotated[Literal["batch"], BeforeValidator(refuse_values(known.FILE["purpose"].refused))]
Endpoint = Annotated[
    Literal["/v1/images/generations", "/v1/images/edits"],
    BeforeValidator(refuse_values(known.BATCH["endpoint"].refused)),
]


class OpenAIFileUpload(RequestBody):
    """``POST /v1/files``, but for its file."""

    model_config = ConfigDict(strict=False)

    purpose: Purpose
    expires_after_anchor: Literal["created_at"] | None = Field(default=None, alias="expires_after[anchor]")
    expires_after_seconds: LifeS | None = Field(default=None, alias="expires_after[seconds]")


class OpenAIExpiry(RequestBody):
    """After how many seconds a file expires."""

    anchor: Literal["created_at"]
    seconds: LifeS


class OpenAIBatchRequest(RequestBody):
    """``POST /v1/batches``."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "input_file_id": "file-01a1fc2be84076c4840b55c1df4115f5",
                    "endpoint": "/v1/images/generations",
                    "completion_window": "24h",
                }
            ]
        }
    )

    input_file_id: SingleLine
    endpoint: Endpoint
    completion_window: Literal["24h"]
    metadata: (
        Annotated[
            dict[
                Annotated[SingleLine, Field(max_length=64)],
                Annotated[MultilineText, Field(max_length=512)],
            ],
            Field(max_length=16),
        ]
        | None
    ) = None
    output_expires_after: OpenAIExpiry | None = None


async def read_upload(request: Request) -> tuple[OpenAIFileUpload, str, bytes]:
    """The fields, the name of the file and its bytes. Raises Problem 400."""
    fields: dict[str, Any] = {}
    file: tuple[str, bytes] | None = None
    async with form_of(request) as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile) != (name == "file"):
                raise field_problem(name, "file, and nothing else, is sent as a file, with a file name")
            if name in fields or (name == "file" and file is not None):
                raise field_problem(name, "it is given twice")
            if isinstance(value, UploadFile):
                file = value.filename or "upload.jsonl", await value.read()
            else:
                fields[name] = value
    try:
        upload = OpenAIFileUpload.model_validate(fields)
    except ValidationError as error:
        raise validation_problem(error) from None
    if (upload.expires_after_anchor is None) != (upload.expires_after_seconds is None):
        raise field_problem("expires_after", "anchor and seconds are given together")
    if file is None or not file[1].strip():
        raise field_problem("file", "a file with at least one line is required")
    try:
        name = _Named.model_validate({"name": file[0]}).name
    except ValidationError:
        raise field_problem("file", "its name is of one line, at most 1 000 characters") from None
    return upload, name, file[1]


class _Named(RequestBody):
    name: FileName


def parse_id(prefix: str, text: str) -> UUID | None:
    """The id in OpenAI's spelling; None for anything else."""
    digits = text.removeprefix(prefix)
    if not text.startswith(prefix) or len(digits) != 32:
        return None
    try:
        return UUID(digits)
    except ValueError:
        return None


def parse_after(prefix: str, query: Mapping[str, str]) -> UUID | None:
    """The id after which a page begins. Raises Problem 400."""
    text = query.get("after")
    if text is None:
        return None
    if (id_ := parse_id(prefix, text)) is None:
        raise field_problem("after", f"an id that begins with {prefix} is required")
    return id_


def no_such(what: str) -> Problem:
    """The answer for an unknown id, a malformed one and another tenant's, as OpenAI words it."""
    return Problem("not_found", f"No such {what} object.")
