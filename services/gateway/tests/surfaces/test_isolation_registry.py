"""Without any server: a new route that takes an id must have its case in ``isolation.py`` before the checks pass."""

from fastapi import FastAPI

from atelier_gateway.surfaces import ROUTED

from ..support.documents import UNBUILT
from ..support.isolation import FAMILIES, NO_TENANTS


def test_every_route_with_an_id_has_a_family_or_a_reason_to_have_none() -> None:
    app = FastAPI()
    for surface in ROUTED:
        app.include_router(surface.router(UNBUILT))

    with_ids = [path for path in app.openapi()["paths"] if "{" in path]
    homeless = [path for path in with_ids if not path.startswith((*FAMILIES, *NO_TENANTS))]

    assert len(with_ids) > 10
    assert homeless == []
