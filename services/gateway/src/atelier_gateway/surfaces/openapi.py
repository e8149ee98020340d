"""The OpenAPI document of a listener: what its routes declare, completed for client generators and readers.

Route functions name the operations: ``create_try_on`` is published as ``createTryOn``. Classes name the schemas.
"""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from atelier_gateway.surfaces.openapi_document import finish
from atelier_gateway.surfaces.openapi_errors import error_example
from atelier_gateway.surfaces.openapi_examples import add_examples
from atelier_gateway.web.direct_routes import FOUND, DirectRoutes
from atelier_telemetry.server_span import trace_request


class DocumentedFastAPI(FastAPI):
    """FastAPI with an OpenAPI document that holds what is declared and nothing else, and with direct routes."""

    def __init__(self, **settings: Any) -> None:
        """``settings`` as FastAPI takes them."""
        super().__init__(
            # One schema for a class, whether it is sent or received: a class has one name.
            separate_input_output_schemas=False,
            generate_unique_id_function=operation_id_of,
            license_info={"name": "MIT", "identifier": "MIT"},
            **settings,
        )
        self.direct_routes = DirectRoutes()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the life of the process."""
        found = self.direct_routes.find(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if found is None:
            return await super().__call__(scope, receive, send)
        scope[FOUND] = found
        scope["fastapi.telemetry"] = None  # as the framework marks a request that it makes no span of
        await trace_request(super().__call__, found[0].path, scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """The document; built at the first request for it."""
        if self.openapi_schema is None:
            document = finish(super().openapi())
            add_examples(document, error_example)
        return super().openapi()


def operation_id_of(route: APIRoute) -> str:
    """The published name of an operation: its function's name in camel case."""
    first, *others = route.name.split("_")
    return first + "".join(word.capitalize() for word in others)
