"""The caps of an account, as its owner sees them."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from atelier_gateway.container import Container
from atelier_gateway.peers import caps
from atelier_gateway.peers.client import PeerUnavailable, unavailable_problem
from atelier_gateway.projection.caps import cap_view
from atelier_gateway.surfaces.native.generations import LIST_DEFAULT, LIST_MAX, PREFIX
from atelier_gateway.web.json_bodies import json_response
from atelier_gateway.web.openapi_responses import CURSOR, LIMIT, WORKSPACE, CapPage, answers
from atelier_gateway.web.pagination import parse_page, split_page

CAPS = answers({200: ("In the order of their ids.", CapPage)}, "invalid_request")


def router(container: Container) -> APIRouter:
    """The route of the account's caps."""
    routes = APIRouter(prefix=PREFIX, tags=["Credits"])

    @routes.get("/caps", responses=CAPS, openapi_extra={"parameters": [LIMIT, CURSOR, WORKSPACE]})
    async def list_caps(request: Request) -> Response:
        """List the caps of your account, with what counts towards each in its present period. Operators set them."""
        principal = await container.authenticator.authenticate(request.headers)
        limit, after = parse_page(request.query_params, default=LIST_DEFAULT, most=LIST_MAX)
        try:
            found = await caps.list_caps(container.peers, principal.owner, after=after, limit=limit + 1)
        except PeerUnavailable as error:
            raise unavailable_problem(error) from error
        page, cursor = split_page(found, limit)
        return json_response({"data": [cap_view(cap) for cap in page], "next_cursor": cursor})

    return routes
