"""Request bodies of the images surface (seed 003)."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import ConfigDict, Field, WithJsonSchema

from atelier_contracts.value_objects import N_MAX
from atelier_gateway.generations.image_models import DEFAULT_MODELS, MODELS, STYLES
from atelier_gateway.web.json_bodies import Prompt, RequestBody, SingleLine
from atelier_gateway.webhooks.receiver_urls import URL_CHARS_MAX


def one_of(*tables: Iterable[str]) -> WithJsonSchema:
    """The schema of a word from these tables; validated later, together with the model."""
    return WithJsonSchema({"enum": [*sorted({word for table in tables for word in table}), None]})


Picture = Annotated[str, Field(min_length=1, max_length=4_096)]


class ImageGenerationRequest(RequestBody):
    """``image`` (to edit; without a prompt, to vary) and ``mask``: keys or URLs of the workspace's uploads, or URLs out
    in the world. With ``reuse`` an equal earlier result of the workspace may be the answer, at the price of one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"prompt": "a red bicycle", "size": "1024x1024"}]})

    prompt: Prompt | None = None
    """Required, unless an ``image`` is to be varied."""
    workspaceId: SingleLine | None = None
    provider: Annotated[SingleLine | None, one_of(DEFAULT_MODELS)] = None
    model: Annotated[SingleLine | None, one_of(MODELS)] = None
    size: Annotated[SingleLine | None, one_of(*(model.sizes for model in MODELS.values()))] = None
    style: Annotated[SingleLine | None, one_of(*STYLES.values())] = None
    quality: Annotated[SingleLine | None, one_of(*(model.qualities for model in MODELS.values()))] = None
    n: int = Field(default=1, ge=1, le=N_MAX)
    """Reserved as requested, charged as delivered."""
    image: Picture | None = None
    """To be edited; without a prompt, to be varied."""
    mask: Picture | None = None
    """Where the image may change."""
    reuse: bool = False
    """Whether an equal earlier result may be the answer, at the price of one."""
    webhookUrl: Annotated[str, Field(min_length=1, max_length=URL_CHARS_MAX)] | None = None
    """Receives the end of the generation, signed with the secret of ``GET /v1/webhooks/secret``."""


BATCH_MAX = 10


class ImageBatchRequest(RequestBody):
    """Several requests for one workspace; each is admitted, rendered and charged on its own."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"requests": [{"prompt": "a red bicycle"}, {"prompt": "a blue one", "n": 2}]}]}
    )

    workspaceId: SingleLine | None = None
    requests: list[ImageGenerationRequest] = Field(min_length=1, max_length=BATCH_MAX)
