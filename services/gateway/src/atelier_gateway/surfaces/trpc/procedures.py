"""What can be called: a try-on asked for, read, and listed, each for the person whose token came with the request."""

import json
from typing import Annotated, Any

from fastapi import Request
from pydantic import Field, ValidationError
from starlette.responses import Response

from atelier_contracts.value_objects import INPUTS_MAX
from atelier_gateway.container import Parts
from atelier_gateway.generations import try_on
from atelier_gateway.generations.creation import Shape
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.projection import listing
from atelier_gateway.projection import store as generations
from atelier_gateway.projection.store import Generation, NewGeneration
from atelier_gateway.surfaces.trpc.calls import Procedure
from atelier_gateway.surfaces.trpc.responses import PREFIX, SURFACE, Answered, problem, result
from atelier_gateway.web.json_bodies import Body, Prompt, answer, id_from_path, refused
from atelier_gateway.web.pagination import cursor_from, page_and_cursor
from atelier_gateway.web.problems import Problem, not_found
from atelier_gateway.web.simulate_header import HEADER as SIMULATE
from atelier_gateway.web.simulate_header import simulation

LIST_DEFAULT, LIST_MAX = 20, 100


class Create(Body):
    """``imageUrls``: the person first, then the garments."""

    imageUrls: list[Annotated[str, Field(min_length=1, max_length=4_096)]] = Field(min_length=1, max_length=INPUTS_MAX)
    prompt: Prompt | None = None


class Get(Body):
    """One session."""

    sessionId: str


class List(Body):
    """A page, newest first."""

    limit: int = Field(default=LIST_DEFAULT, ge=1, le=LIST_MAX)
    cursor: str | None = None


class Procedures:
    """What can be called."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.queries: dict[str, Procedure] = {"tryOn.get": self.get, "tryOn.list": self.list}
        self.mutations: dict[str, Procedure] = {"tryOn.create": self.create}

    async def create(self, request: Request, principal: Principal, given: Any) -> Answered:
        """``{sessionId, status}``."""
        body = _checked(Create, given)
        draft = await try_on.draft(
            self._parts.inputs,
            principal.owner,
            body.imageUrls,
            field="imageUrls",
            prompt=body.prompt,
            simulate=simulation(request.headers.get(SIMULATE), allowed=self._parts.simulating),
            request=body.model_dump(mode="json", exclude_none=True),
            deadline_s=self._parts.settings.generation_deadline_s,
        )
        response = await self._parts.creating.create(principal, draft, SHAPE)
        envelope: dict[str, Any] = json.loads(bytes(response.body))
        return response.status_code, envelope

    async def get(self, _: Request, principal: Principal, given: Any) -> Answered:
        """``{sessionId, status, generatedImageUrl, errorMessage}``."""
        id_ = id_from_path(_checked(Get, given).sessionId, "session")
        found = await generations.of_owner(self._parts.pool, id_, principal.owner)
        if found is None or found.surface != SURFACE:
            raise not_found("session")
        return 200, result(self._view(found))

    async def list(self, _: Request, principal: Principal, given: Any) -> Answered:
        """``{items, nextCursor}``."""
        wanted = _checked(List, {} if given is None else given)
        before = cursor_from(wanted.cursor)
        found = await listing.newest(
            self._parts.pool, principal.owner, limit=wanted.limit + 1, before=before, surface=SURFACE
        )
        page, cursor = page_and_cursor(found, wanted.limit)
        items = [self._view(generation) for generation in page]
        return 200, result({"items": items, "nextCursor": cursor})

    def _view(self, generation: Generation) -> dict[str, object]:
        return {
            "sessionId": str(generation.id),
            "status": try_on.STATUSES[generation.snapshot.state],
            "generatedImageUrl": try_on.picture_url(generation, self._parts.objects),
            "errorMessage": try_on.error_message(generation),
        }


def _checked(model: type[Any], given: Any) -> Any:
    """The input as a model. Raises Problem 400 for this call alone."""
    try:
        json.dumps(given, ensure_ascii=False).encode()
        return model.model_validate(given)
    except UnicodeEncodeError:
        raise Problem("invalid_request", "input: half of a surrogate pair is no character") from None
    except ValidationError as error:
        raise refused(error) from None


def _accepted(generation: NewGeneration) -> Response:
    return answer(result({"sessionId": str(generation.id), "status": "queued"}), 200)


SHAPE = Shape(SURFACE, f"POST {PREFIX}/tryOn.create", _accepted, problem)
