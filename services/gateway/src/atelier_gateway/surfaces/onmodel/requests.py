"""Request bodies of seed 004, and the two features that the query selects. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from atelier_contracts.catalogue import BACKGROUNDS, MANNEQUINS
from atelier_contracts.value_objects import PHOTOS_MAX
from atelier_gateway.web.json_bodies import RequestBody, SingleLine
from atelier_gateway.web.problems import Problem

REQUEST_BYTES_MAX = 25 * 1024 * 1024
PHOTO_BYTES_MAX = 8 * 1024 * 1024
"""Decoded (004.5)."""
PIXEL_BASE64 = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
EXAMPLE: dict[str, Any] = {
    "photos": [{"id": "0", "image": f"data:image/png;base64,{PIXEL_BASE64}"}],
    "backgroundId": "456",
    "options": {"quality": "high", "format": "png"},
}


def _as_text(value: Any) -> Any:
    """Replies show numeric ids as numbers (004.3), so a number is the same id; ``true`` and 1.0 are none."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Id = Annotated[
    SingleLine,
    BeforeValidator(_as_text),
    WithJsonSchema({"anyOf": [{"type": "string", "minLength": 1, "maxLength": 200}, {"type": "integer"}]}),
]
"""As the catalogues list it; the number of the same digits is the same id."""


class ProductPhoto(RequestBody):
    """One product photo, as a ``data:`` URI."""

    id: Id
    image: Annotated[str, Field(min_length=1, max_length=REQUEST_BYTES_MAX)]


class OnModelOptions(RequestBody):
    """How good, and in which format."""

    quality: Literal["low", "medium", "high"] = "high"
    format: Literal["png", "jpeg", "webp"] = "png"


def _unique(photos: list[ProductPhoto]) -> list[ProductPhoto]:
    if len({photo.id for photo in photos}) < len(photos):
        raise PydanticCustomError("not_unique", "each photo needs an id of its own")
    return photos


class FlatLayRequest(RequestBody):
    """``POST /v1/generate?flatlay``: no model, so no ``modelId``."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    photos: Annotated[list[ProductPhoto], Field(min_length=1, max_length=PHOTOS_MAX), AfterValidator(_unique)]
    backgroundId: Id
    options: OnModelOptions = OnModelOptions()


class OnModelRequest(FlatLayRequest):
    """``POST /v1/generate?onmodel``."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE | {"modelId": "123"}]})

    modelId: Id


@dataclass(frozen=True, slots=True)
class Feature:
    """One of the two: how the query, the replies and the rest of the system call it, and its body."""

    name: str
    kind: Literal["on_model", "flat_lay"]
    words: str
    body: type[FlatLayRequest]


FEATURES: Mapping[str, Feature] = {
    feature.name: feature
    for feature in (
        Feature("onmodel", "on_model", "on-model", OnModelRequest),
        Feature("flatlay", "flat_lay", "flat-lay", FlatLayRequest),
    )
}


def feature_of(query: Iterable[str]) -> Feature:
    """The feature that the query names. Raises Problem 400 for none and for both."""
    named = [FEATURES[name] for name in dict.fromkeys(query) if name in FEATURES]
    if len(named) != 1:
        raise Problem("invalid_request", "Ask for either ?onmodel or ?flatlay.")
    return named[0]


def mannequin_of(body: FlatLayRequest) -> str | None:
    """The mannequin's id, where there is one."""
    return body.modelId if isinstance(body, OnModelRequest) else None


def check_catalogue(body: FlatLayRequest) -> None:
    """Raises Problem 400 for a model or background that does not exist."""
    mannequin = mannequin_of(body)
    if mannequin is not None and mannequin not in MANNEQUINS:
        raise invalid_field("modelId", "There is no such model.")
    if body.backgroundId not in BACKGROUNDS:
        raise invalid_field("backgroundId", "There is no such background.")


def invalid_field(field: str, why: str) -> Problem:
    """400 INVALID_REQUEST naming the field."""
    return Problem("invalid_request", f"{field}: {why}")
