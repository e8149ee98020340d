"""Without any server: a new route that takes an id must have its case in ``isolation.py`` before the checks pass."""

from collections.abc import Iterator
from typing import Any, cast

from fastapi import FastAPI
from pydantic import SecretStr

from atelier_gateway.container import Parts
from atelier_gateway.surfaces import ROUTED

from ..support.isolation import FAMILIES, NO_TENANTS


class Unbuilt:
    """Parts that nobody has constructed: enough to name routes, not to answer on one."""

    def __getattr__(self, name: str) -> Any:
        return SecretStr("a token of the tests") if name.endswith("token") else Unbuilt()

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __call__(self, *_: object, **__: object) -> Any:
        return Unbuilt()


def test_every_route_with_an_id_has_a_family_or_a_reason_to_have_none() -> None:
    app = FastAPI()
    for surface in ROUTED:
        app.include_router(surface.router(cast(Parts, Unbuilt())))

    with_ids = [path for path in app.openapi()["paths"] if "{" in path]
    homeless = [path for path in with_ids if not path.startswith((*FAMILIES, *NO_TENANTS))]

    assert len(with_ids) > 10
    assert homeless == []
