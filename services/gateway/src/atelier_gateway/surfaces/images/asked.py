"""What seed 003's surface takes."""

from typing import Annotated

from pydantic import ConfigDict, Field

from atelier_contracts.vocabulary import N_MAX, PROMPT_CHARS_MAX
from atelier_gateway.bodies import Body, Line, Prose

Picture = Annotated[str, Field(min_length=1, max_length=4_096)]


class CreateImages(Body):
    """``image`` (to edit or vary) and ``mask``: keys or URLs of the workspace's uploads, or URLs out in the world."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"prompt": "a red bicycle", "size": "1024x1024"}]})

    prompt: Annotated[Prose, Field(min_length=1, max_length=PROMPT_CHARS_MAX)]
    workspaceId: Line | None = None
    provider: Line | None = None
    model: Line | None = None
    size: Line | None = None
    style: Line | None = None
    quality: Line | None = None
    n: int = Field(default=1, ge=1, le=N_MAX)
    image: Picture | None = None
    mask: Picture | None = None


BATCH_MAX = 10


class CreateBatch(Body):
    """Several requests for one workspace; each is admitted, made and charged for itself."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"requests": [{"prompt": "a red bicycle"}, {"prompt": "a blue one", "n": 2}]}]}
    )

    workspaceId: Line | None = None
    requests: list[CreateImages] = Field(min_length=1, max_length=BATCH_MAX)
