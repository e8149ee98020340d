"""The procedures: create, get and list try-ons of the user whose token the request carries."""

from functools import partial
from typing import Any

from fastapi import Request

from atelier_gateway.container import Container
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.projection import listing
from atelier_gateway.projection import store as projection_store
from atelier_gateway.surfaces.trpc.calls import Procedure
from atelier_gateway.surfaces.trpc.create import create
from atelier_gateway.surfaces.trpc.protocol import SURFACE, CallResult, result_envelope
from atelier_gateway.surfaces.trpc.requests import GetInput, ListInput, parse_input
from atelier_gateway.surfaces.trpc.responses import try_on_view
from atelier_gateway.web.json_bodies import id_from_path
from atelier_gateway.web.pagination import parse_cursor, split_page
from atelier_gateway.web.problems import not_found


class Procedures:
    """The procedures, by name."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self.queries: dict[str, Procedure] = {"tryOn.get": self.get, "tryOn.list": self.list}
        self.mutations: dict[str, Procedure] = {"tryOn.create": partial(create, container)}

    async def get(self, _: Request, principal: Principal, data: Any) -> CallResult:
        """``{sessionId, status, generatedImageUrl, errorMessage}``."""
        id_ = id_from_path(parse_input(GetInput, data).sessionId, "session")
        found = await projection_store.find_for_owner(self._container.pool, id_, principal.owner)
        if found is None or found.surface != SURFACE:
            raise not_found("session")
        return 200, result_envelope(try_on_view(found, self._container.objects))

    async def list(self, _: Request, principal: Principal, data: Any) -> CallResult:
        """``{items, nextCursor}``."""
        page_request = parse_input(ListInput, {} if data is None else data)
        before = parse_cursor(page_request.cursor)
        found = await listing.list_newest(
            self._container.pool, principal.owner, limit=page_request.limit + 1, before=before, surface=SURFACE
        )
        page, cursor = split_page(found, page_request.limit)
        items = [try_on_view(generation, self._container.objects) for generation in page]
        return 200, result_envelope({"items": items, "nextCursor": cursor})
