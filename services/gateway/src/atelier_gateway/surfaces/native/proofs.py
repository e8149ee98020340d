"""What anyone needs to verify a receipt: the published keys. Public, for a receipt is shown to others."""

from fastapi import APIRouter
from starlette.responses import Response

from atelier_gateway.container import Container
from atelier_gateway.peers.client import PeerUnavailable, unavailable_problem
from atelier_gateway.surfaces.native import openapi
from atelier_gateway.surfaces.native.receipt_openapi import PublishedKeys
from atelier_gateway.web.json_bodies import json_response

KEYS = openapi.public_answers({200: ("The current key first.", PublishedKeys)})
CACHE_S = 300


def router(container: Container) -> APIRouter:
    """Routes without credentials."""
    routes = APIRouter(tags=["Proofs"])

    @routes.get("/.well-known/jwks.json", responses=KEYS)
    async def get_published_keys() -> Response:
        """Get the keys that sign receipts, as a JSON Web Key Set."""
        try:
            reply = json_response(await container.peers.get_published_keys())
        except PeerUnavailable as error:
            raise unavailable_problem(error) from error
        reply.headers["Cache-Control"] = f"public, max-age={CACHE_S}"
        return reply

    return routes
