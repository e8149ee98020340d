"""What a store sends to ask for a virtual try-on."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from atelier_contracts.value_objects import PHOTOS_MAX
from atelier_gateway.web.json_bodies import Prompt, RequestBody

EXAMPLE: dict[str, Any] = {"image_urls": ["https://cdn.example.com/person.jpg", "https://cdn.example.com/shirt.jpg"]}


class TryOnRequest(RequestBody):
    """``image_urls``: the person first, then the garments; signed URLs, or keys and URLs of own uploads."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    image_urls: list[Annotated[str, Field(min_length=1, max_length=4_096)]] = Field(min_length=1, max_length=PHOTOS_MAX)
    prompt: Prompt | None = None
