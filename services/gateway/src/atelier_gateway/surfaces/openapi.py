"""The OpenAPI document of a listener: what its routes declare, completed for client generators and readers.

Route functions name the operations: ``create_try_on`` is published as ``createTryOn``. Classes name the schemas.
"""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from atelier_gateway.surfaces.openapi_document import finish
from atelier_gateway.surfaces.openapi_errors import error_example
from atelier_gateway.surfaces.openapi_examples import add_examples


class DocumentedFastAPI(FastAPI):
    """FastAPI with an OpenAPI document that holds what is declared and nothing else."""

    def __init__(self, **settings: Any) -> None:
        """``settings`` as FastAPI takes them."""
        super().__init__(
            # One schema for a class, whether it is sent or received: a class has one name.
            separate_input_output_schemas=False,
            generate_unique_id_function=operation_id_of,
            license_info={"name": "MIT", "identifier": "MIT"},
            **settings,
        )

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
