"""Bodies, query strings and ids of seed 001, validated."""

from collections.abc import Mapping
from typing import Annotated, NamedTuple, cast, get_args
from uuid import UUID

from pydantic import Field

from atelier_contracts.narration import LANGUAGE_DEFAULT
from atelier_gateway.media.narration_fields import Language, NarrationText
from atelier_gateway.surfaces.stories.responses import Status
from atelier_gateway.web.json_bodies import RequestBody, SingleLine
from atelier_gateway.web.pagination import parse_number
from atelier_gateway.web.problems import field_problem

PAGE_MAX = 1_000_000
PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX = 10, 100


class NewStory(RequestBody):
    """``POST /api/stories``."""

    title: Annotated[SingleLine, Field(examples=["The lighthouse"])]
    text: Annotated[NarrationText, Field(examples=["The old keeper climbed the stairs."])]
    language: Language = LANGUAGE_DEFAULT


class StoryGenerationRequest(RequestBody):
    """``POST /api/story-generations``."""

    story_id: UUID


class Page(NamedTuple):
    """Which part of a list; pages count from 1."""

    number: int
    size: int

    @property
    def offset(self) -> int:
        """How many items come before it."""
        return (self.number - 1) * self.size


def page_of(query: Mapping[str, str]) -> Page:
    """``page`` and ``pageSize``. Raises Problem 400."""
    size = parse_number(query, "pageSize", default=PAGE_SIZE_DEFAULT, most=PAGE_SIZE_MAX)
    return Page(parse_number(query, "page", default=1, most=PAGE_MAX), size)


def status_of(query: Mapping[str, str]) -> Status | None:
    """The ``status`` filter, if any. Raises Problem 400."""
    status = query.get("status")
    if status is not None and status not in get_args(Status):
        raise field_problem("status", f"one of {', '.join(get_args(Status))} is required")
    return cast("Status | None", status)


def id_of(text: str) -> UUID:
    """The id of a path. Raises Problem 400: here, unlike elsewhere, a malformed id is a malformed request."""
    try:
        return UUID(text)
    except ValueError:
        raise field_problem("id", "a UUID is required") from None
