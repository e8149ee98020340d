"""What the tools take. A create is the body of ``POST /v1/generations`` with a spend limit and a key, both required."""

from typing import Annotated, Any

from pydantic import Field

from atelier_contracts.value_objects import N_MAX
from atelier_gateway.surfaces.native.requests import GenerationRequest
from atelier_gateway.web.json_bodies import RequestBody, body_schema

WAIT_S_MAX = 50
"""Below the minute after which most clients give a call up."""


class CreateArguments(GenerationRequest):
    """Of ``create_generation``, as its schema shows them; the native API checks them."""

    max_credits: int = Field(ge=0)
    """Spend limit, in credits. Required: a call without it starts and charges nothing. A price above it is refused."""
    idempotency_key: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,255}$")]
    """A name of this request that you choose, such as ``order-4711-hero``. Send the same one when you repeat the call
    because no answer came: it is never made or charged twice. Take another one for another picture."""


class GenerationArguments(RequestBody):
    """Of the tools that name a generation."""

    id: Annotated[str, Field(min_length=1, max_length=100)]
    """The id that ``create_generation`` returned."""


class WaitArguments(GenerationArguments):
    """Of the tools that may wait for the end."""

    wait_s: int = Field(default=0, ge=0, le=WAIT_S_MAX)
    """Seconds to wait for the end, 50 at most; progress is reported while it waits."""


class ResultArguments(WaitArguments):
    """Of ``get_result``."""

    output: int | None = Field(default=None, ge=0, lt=N_MAX)
    """Which output, from 0; all of them where it is left out, the first ones that fit as content."""


def schema_of(model: type[RequestBody], *left_out: str) -> dict[str, Any]:
    """The JSON Schema of a tool's arguments, without references."""
    schema: dict[str, Any] = body_schema(model)["requestBody"]["content"]["application/json"]["schema"]
    schema.pop("examples", None)
    for name in left_out:
        del schema["properties"][name]
    return schema
