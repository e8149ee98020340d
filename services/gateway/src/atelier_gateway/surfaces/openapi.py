"""The OpenAPI of the gateway, true: without the 422 that the framework adds to every route with a parameter.

The surfaces read parameters and bodies themselves and refuse them in their own words, which their routes declare.
"""

from typing import Any

from fastapi import FastAPI

from atelier_gateway.surfaces.descriptions import ABOUT
from atelier_gateway.surfaces.openapi_document import finish

ADDED = ("HTTPValidationError", "ValidationError")


class Described(FastAPI):
    """FastAPI, describing only what its routes declare."""

    def openapi(self) -> dict[str, Any]:
        """The description; made once."""
        if self.openapi_schema is None:
            described = super().openapi()
            for routes in described["paths"].values():
                for route in routes.values():
                    if ADDED[0] in str(route["responses"].get("422")):
                        del route["responses"]["422"]
            for name in ADDED:
                described["components"]["schemas"].pop(name, None)
            all_routes = [route for routes in described["paths"].values() for route in routes.values()]
            used = {tag for route in all_routes for tag in route.get("tags", ())}
            described["tags"] = [{"name": name, "description": ABOUT[name]} for name in ABOUT if name in used]
            finish(described)
        return super().openapi()
