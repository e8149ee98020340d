"""What can be called: a try-on asked for, read, and listed, each for the person whose token came with the request."""

import json
from typing import Annotated, Any

from fastapi import Request
from pydantic import Field, ValidationError
from starlette.responses import Response

from atelier_contracts.value_objects import INPUTS_MAX
from atelier_gateway.container import Container
from atelier_gateway.generations import try_on
from atelier_gateway.generations.creation import SurfaceResponses
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.projection import listing
from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.store import Generation, NewGeneration
from atelier_gateway.surfaces.trpc.calls import Procedure
from atelier_gateway.surfaces.trpc.responses import PREFIX, SURFACE, Answered, problem, result
from atelier_gateway.web.json_bodies import Prompt, RequestBody, id_from_path, json_response, validation_problem
from atelier_gateway.web.pagination import cursor_from, page_and_cursor
from atelier_gateway.web.problems import Problem, not_found
from atelier_gateway.web.simulate_header import SIMULATE_HEADER as SIMULATE
from atelier_gateway.web.simulate_header import parse_simulation

LIST_DEFAULT, LIST_MAX = 20, 100


class Create(RequestBody):
    """``imageUrls``: the person first, then the garments."""

    imageUrls: list[Annotated[str, Field(min_length=1, max_length=4_096)]] = Field(min_length=1, max_length=INPUTS_MAX)
    prompt: Prompt | None = None


class Get(RequestBody):
    """One session."""

    sessionId: str


class List(RequestBody):
    """A page, newest first."""

    limit: int = Field(default=LIST_DEFAULT, ge=1, le=LIST_MAX)
    cursor: str | None = None


class Procedures:
    """What can be called."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self.queries: dict[str, Procedure] = {"tryOn.get": self.get, "tryOn.list": self.list}
        self.mutations: dict[str, Procedure] = {"tryOn.create": self.create}

    async def create(self, request: Request, principal: Principal, given: Any) -> Answered:
        """``{sessionId, status}``."""
        body = _checked(Create, given)
        draft = await try_on.draft(
            self._container.input_resolver,
            principal.owner,
            body.imageUrls,
            field="imageUrls",
            prompt=body.prompt,
            simulate=parse_simulation(request.headers.get(SIMULATE), allowed=self._container.is_simulator_on),
            request=body.model_dump(mode="json", exclude_none=True),
            deadline_s=self._container.settings.generation_deadline_s,
        )
        response = await self._container.creator.create(principal, draft, SHAPE)
        envelope: dict[str, Any] = json.loads(bytes(response.body))
        return response.status_code, envelope

    async def get(self, _: Request, principal: Principal, given: Any) -> Answered:
        """``{sessionId, status, generatedImageUrl, errorMessage}``."""
        id_ = id_from_path(_checked(Get, given).sessionId, "session")
        found = await projection_store.find_for_owner(self._container.pool, id_, principal.owner)
        if found is None or found.surface != SURFACE:
            raise not_found("session")
        return 200, result(self._view(found))

    async def list(self, _: Request, principal: Principal, given: Any) -> Answered:
        """``{items, nextCursor}``."""
        wanted = _checked(List, {} if given is None else given)
        before = cursor_from(wanted.cursor)
        found = await listing.list_newest(
            self._container.pool, principal.owner, limit=wanted.limit + 1, before=before, surface=SURFACE
        )
        page, cursor = page_and_cursor(found, wanted.limit)
        items = [self._view(generation) for generation in page]
        return 200, result({"items": items, "nextCursor": cursor})

    def _view(self, generation: Generation) -> dict[str, object]:
        return {
            "sessionId": str(generation.id),
            "status": try_on.STATUSES[generation.snapshot.state],
            "generatedImageUrl": try_on.picture_url(generation, self._container.objects),
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
        raise validation_problem(error) from None


def _accepted(generation: NewGeneration) -> Response:
    return json_response(result({"sessionId": str(generation.id), "status": "queued"}), 200)


SHAPE = SurfaceResponses(SURFACE, f"POST {PREFIX}/tryOn.create", _accepted, problem)
