"""The inputs of the procedures."""

import json
from typing import Annotated, Any

from pydantic import Field, ValidationError

from atelier_contracts.value_objects import PHOTOS_MAX
from atelier_gateway.web.json_bodies import Prompt, RequestBody, validation_problem
from atelier_gateway.web.problems import Problem

LIST_DEFAULT, LIST_MAX = 20, 100


class CreateInput(RequestBody):
    """``imageUrls``: the person first, then the garments."""

    imageUrls: list[Annotated[str, Field(min_length=1, max_length=4_096)]] = Field(min_length=1, max_length=PHOTOS_MAX)
    prompt: Prompt | None = None


class GetInput(RequestBody):
    """One session."""

    sessionId: str


class ListInput(RequestBody):
    """A page, newest first."""

    limit: int = Field(default=LIST_DEFAULT, ge=1, le=LIST_MAX)
    cursor: str | None = None


def parse_input(model: type[Any], data: Any) -> Any:
    """The input of a call as a model. Raises Problem 400 for this call alone."""
    try:
        json.dumps(data, ensure_ascii=False).encode()
        return model.model_validate(data)
    except UnicodeEncodeError:
        raise Problem("invalid_request", "input: half of a surrogate pair is no character") from None
    except ValidationError as error:
        raise validation_problem(error) from None
