"""``/mcp``, and the document by which clients learn how to be let in there (RFC 9728)."""

from fastapi import APIRouter
from starlette.responses import Response
from starlette.routing import Route

from atelier_gateway.container import Container
from atelier_gateway.settings import Settings
from atelier_gateway.surfaces.mcp.endpoint import METADATA_PATH, PATH, McpEndpoint
from atelier_gateway.web.json_bodies import json_response

__all__ = ["PATH", "router"]
CACHE_S = 300


def router(container: Container) -> APIRouter:
    """The endpoint and its metadata. OpenAPI describes neither: the protocol has descriptions of its own."""
    routes, settings = APIRouter(include_in_schema=False), container.settings
    routes.routes.append(Route(PATH, McpEndpoint(container), include_in_schema=False))

    @routes.get("/.well-known/oauth-protected-resource")
    @routes.get(METADATA_PATH)
    async def get_protected_resource_metadata() -> Response:
        """Get what a client needs to be let in: which resource this is, and who issues tokens for it."""
        reply = json_response(_metadata(settings))
        reply.headers["Cache-Control"] = f"public, max-age={CACHE_S}"
        return reply

    return routes


def _metadata(settings: Settings) -> dict[str, object]:
    """Without an issuer of user tokens there is no authorization server: clients send a store's API key."""
    issuers = {"authorization_servers": [settings.jwt_issuer]} if settings.jwt_issuer else {}
    return {
        "resource": f"{settings.public_root}{PATH}",
        **issuers,
        "bearer_methods_supported": ["header"],
        "resource_name": "Atelier",
        "resource_documentation": f"{settings.public_root}/docs/surfaces/mcp",
    }
