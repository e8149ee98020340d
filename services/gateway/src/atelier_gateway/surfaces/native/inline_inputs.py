"""Inline images and texts of a request: stored under the owner's uploads while it is created.

A request that is not admitted leaves none of them behind.
"""

from collections.abc import Awaitable, Callable

from starlette.responses import Response

from atelier_gateway.container import Container
from atelier_gateway.generations.rollback import rollback_unless_admitted
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.media import data_uris
from atelier_gateway.media.data_uris import DataUriRefused
from atelier_gateway.media.intake import ImageRefused, StoredPicture
from atelier_gateway.media.store import StoredText
from atelier_gateway.surfaces.native.narration_text import Text
from atelier_gateway.surfaces.native.requests import PICTURE_BYTES_MAX, GenerationInput, GenerationRequest
from atelier_gateway.web.problems import Problem, field_problem

Create = Callable[[GenerationRequest], Awaitable[Response]]


async def create_with_inline_inputs(
    container: Container, principal: Principal, body: GenerationRequest, text: Text | None, create: Create
) -> Response:
    """Stores the inline inputs and creates with their keys in the body. Raises Problem 400 naming the input."""
    stored: list[StoredPicture | StoredText] = []

    async def discard() -> None:
        for item in stored:
            await container.media_intake.discard(principal, item)

    async with rollback_unless_admitted(discard) as attempt:
        pictures = [
            (index, input_) for index, input_ in enumerate(body.inputs) if input_.role != "text" or input_.data is None
        ]
        inputs = [await _store_inline_input(container, principal, index, input_, stored) for index, input_ in pictures]
        if text is not None and text.is_inline:
            stored.append(await container.media_intake.store_text(principal, text.content))
            inputs.append(GenerationInput(role="text", key=stored[-1].key))
        return attempt.resolve(await create(body.model_copy(update={"inputs": inputs, "text": None})))


async def _store_inline_input(
    container: Container,
    principal: Principal,
    index: int,
    input_: GenerationInput,
    stored: list[StoredPicture | StoredText],
) -> GenerationInput:
    if input_.data is None:
        return input_
    data = data_uris.read(input_.data, bytes_max=PICTURE_BYTES_MAX)
    if isinstance(data, DataUriRefused):
        raise _refused(index, data.message)
    picture = await container.media_intake.store_picture(
        principal, data, role=input_.role, filename=f"{input_.role}-{index}"
    )
    if isinstance(picture, ImageRefused):
        raise _refused(index, picture.message)
    stored.append(picture)
    return GenerationInput(role=input_.role, key=picture.key)


def _refused(index: int, why: str) -> Problem:
    return field_problem(f"inputs.{index}.data", why)
