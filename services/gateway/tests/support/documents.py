"""The OpenAPI documents of both listeners, built without any server."""

from collections.abc import Iterator
from typing import Any, cast

import pytest
from pydantic import SecretStr

from atelier_gateway.app import add_surfaces, create_app
from atelier_gateway.container import Container
from atelier_gateway.settings import Settings
from atelier_gateway.surfaces.openapi_document import Document, operations

from .settings import GOOD

LISTENERS = ("public", "operations")


class Unbuilt:
    """Parts that are not constructed: enough to name routes, not to answer on one."""

    def __getattr__(self, name: str) -> Any:
        return SecretStr("a token of the tests") if name.endswith("token") else Unbuilt()

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __call__(self, *_: object, **__: object) -> Any:
        return Unbuilt()


UNBUILT = cast(Container, Unbuilt())


def documents() -> dict[str, Document]:
    """By the name of the listener that serves it."""
    listeners = create_app(_settings())
    add_surfaces(listeners.public, listeners.operations, UNBUILT)
    return {"public": listeners.public.openapi(), "operations": listeners.operations.openapi()}


def all_operations() -> list[tuple[str, str, Document]]:
    """Path, method and operation, of both documents."""
    return [operation for document in documents().values() for operation in operations(document)]


def _settings() -> Settings:
    with pytest.MonkeyPatch.context() as environment:
        for name, value in GOOD.items():
            environment.setenv(name, value)
        return Settings()
