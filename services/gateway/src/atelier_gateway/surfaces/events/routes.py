"""``/asyncapi.json``, and the schema that the ``dataschema`` of each public event names."""

from fastapi import APIRouter
from starlette.responses import Response

from atelier_contracts.asyncapi import document, public_schema
from atelier_contracts.public_events import PUBLIC_EVENTS
from atelier_gateway.container import Container
from atelier_gateway.web.json_bodies import json_response
from atelier_gateway.web.problems import not_found


def router(container: Container) -> APIRouter:
    """The documents; public, and the same for all."""
    routes, root = APIRouter(include_in_schema=False), container.settings.public_root

    @routes.get("/asyncapi.json")
    async def get_asyncapi_document() -> Response:
        """Get the AsyncAPI document of the public events."""
        return json_response(document(root=root))

    @routes.get("/schemas/{type}.json")
    async def get_event_schema(type: str) -> Response:
        """Get the JSON Schema of the data of a public event, such as `generation.succeeded.v1`."""
        if type not in PUBLIC_EVENTS:
            raise not_found("schema")
        return json_response(public_schema(type, root))

    return routes
