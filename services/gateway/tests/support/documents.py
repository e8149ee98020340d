"""The OpenAPI documents of both listeners, built without any server."""

from collections.abc import Iterator
from functools import cache
from typing import Any, cast

import pytest
from pydantic import SecretStr

from atelier_gateway.app import add_surfaces, create_app
from atelier_gateway.container import Container
from atelier_gateway.listeners import Listeners
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


@cache
def listeners(**changes: str) -> Listeners:
    """Of a gateway that has connected to nothing, with these settings changed. It takes a second to make: made once."""
    made = create_app(_settings(changes))
    add_surfaces(made.public, made.operations, UNBUILT)
    return made


def documents() -> dict[str, Document]:
    """By the name of the listener that serves it."""
    return {"public": listeners().public.openapi(), "operations": listeners().operations.openapi()}


def all_operations() -> list[tuple[str, str, Document]]:
    """Path, method and operation, of both documents."""
    return [operation for document in documents().values() for operation in operations(document)]


def _settings(changes: dict[str, str]) -> Settings:
    with pytest.MonkeyPatch.context() as environment:
        for name, value in (GOOD | changes).items():
            environment.setenv(name, value)
        return Settings()
