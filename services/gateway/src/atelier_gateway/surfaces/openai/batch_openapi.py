"""OpenAI's files and batches as models, for the API's description."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from atelier_gateway.surfaces.openai.batch_requests import OpenAIBatchRequest, OpenAIFileUpload
from atelier_gateway.surfaces.openai.openapi import BINARY, refusals
from atelier_gateway.web.json_bodies import body_schema
from atelier_gateway.web.openapi_responses import KEY, WORKSPACE, query

FILE = "file-01a1fc2be84076c4840b55c1df4115f5"


class OpenAIFile(BaseModel):
    """A file: one that was uploaded, or the output of a batch."""

    id: str = Field(examples=[FILE])
    object: Literal["file"]
    bytes: int
    created_at: int
    expires_at: int
    filename: str
    purpose: Literal["batch", "batch_output"]
    status: Literal["processed"]
    status_details: None


class OpenAIFileList(BaseModel):
    """A page of files."""

    object: Literal["list"]
    data: list[OpenAIFile]
    first_id: str | None
    last_id: str | None
    has_more: bool


class OpenAIFileDeleted(BaseModel):
    """It is gone."""

    id: str = Field(examples=[FILE])
    object: Literal["file"]
    deleted: Literal[True]


class OpenAIBatchError(BaseModel):
    """What is wrong with a line, counted from 1."""

    code: str
    line: int | None
    message: str
    param: str | None


class OpenAIBatchErrors(BaseModel):
    """Why a batch failed before anything of it began."""

    object: Literal["list"]
    data: list[OpenAIBatchError]


class OpenAIRequestCounts(BaseModel):
    """How many lines there are, and how many have ended."""

    total: int
    completed: int
    failed: int


class OpenAIBatchCredits(BaseModel):
    """Ours: the price of all lines, what is charged of it, and what is held for the lines under way."""

    quoted: int
    captured: int
    held: int


class OpenAIBatch(BaseModel):
    """A batch as it is now."""

    id: str = Field(examples=["batch_01a1fc2be84076c4840b55c1df4115f5"])
    object: Literal["batch"]
    endpoint: str
    errors: OpenAIBatchErrors | None
    input_file_id: str
    completion_window: str
    status: Literal[
        "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
    ]
    output_file_id: str | None
    error_file_id: str | None
    created_at: int
    in_progress_at: int | None
    expires_at: int
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: OpenAIRequestCounts
    metadata: dict[str, str] | None
    credits: OpenAIBatchCredits


class OpenAIBatchList(BaseModel):
    """A page of batches, newest first."""

    object: Literal["list"]
    data: list[OpenAIBatch]
    first_id: str | None
    last_id: str | None
    has_more: bool


READS = (400, 401, 403, 404, 429, 500, 503)
LISTS = (400, 401, 403, 429, 500, 503)
CREATES = (400, 401, 403, 404, 409, 413, 422, 429, 500, 503)


def _answer(what: str, model: type[BaseModel], *statuses: int) -> dict[int | str, dict[str, Any]]:
    return {200: {"model": model, "description": what}, **refusals(*statuses)}


FILE_MADE = _answer("The file", OpenAIFile, 400, 401, 403, 413, 429, 500, 503)
FILE_SHOWN = _answer("The file", OpenAIFile, *READS)
FILES_LISTED = _answer("The files", OpenAIFileList, *LISTS)
FILE_DELETED = _answer("It is gone", OpenAIFileDeleted, *READS)
CONTENT: dict[int | str, dict[str, Any]] = {
    200: {"description": "The bytes", "content": {"application/octet-stream": {"schema": BINARY}}},
    **refusals(*READS),
}
BATCH_MADE = _answer("The batch, which is validated next", OpenAIBatch, *CREATES)
BATCH_SHOWN = _answer("The batch", OpenAIBatch, *READS)
BATCH_CANCELLED = _answer("The batch", OpenAIBatch, *READS, 409)
BATCHES_LISTED = _answer("The batches", OpenAIBatchList, *LISTS)


def limit(most: int, default: int) -> dict[str, Any]:
    """The parameter of how many a page holds."""
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return query("limit", schema, "The most entries that a page holds.")


AFTER = query("after", {"type": "string"}, "The id of the last entry of the page before.")
ORDER = query("order", {"type": "string", "enum": ["asc", "desc"], "default": "desc"}, "By the time of creation.")
PURPOSE = query("purpose", {"type": "string"}, "Only files with this purpose.")
READING: dict[str, Any] = {"parameters": [WORKSPACE]}
BATCHING: dict[str, Any] = body_schema(OpenAIBatchRequest) | {"parameters": [KEY, WORKSPACE]}


def uploading() -> dict[str, Any]:
    """The ``openapi_extra`` of the route that takes a file."""
    schema = OpenAIFileUpload.model_json_schema()
    schema["properties"] |= {"file": BINARY}
    schema["required"] = [*schema.get("required", []), "file"]
    body = {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    return {"requestBody": body, "parameters": [WORKSPACE]}
