"""The pages under ``/docs`` show what is served, all of it, and nothing that could run."""

import html
from typing import Any

import pytest

from atelier_gateway import pages

from .world import World

PARTS: dict[str, Any] = {
    "paths": {
        "/things/{id}": {
            "get": {
                "tags": ["Things & more"],
                "description": "<script>alert(1)</script>",
                "responses": {
                    "404": {"description": "None such"},
                    "200": {"description": "It", "content": {"application/json": {"schema": {"$ref": "#/x/Thing"}}}},
                },
            }
        }
    },
    "components": {"schemas": {"Thing": {"properties": {"id": {}}, "examples": [{"id": "x"}]}}},
}


def test_an_operation_shows_its_answers_in_order_with_their_examples() -> None:
    (operation,) = pages.surfaces(PARTS)["Things & more"]

    assert [answer.status for answer in operation.answers] == ["200", "404"]
    assert operation.answers[0].example == '{\n  "id": "x"\n}'


@pytest.mark.stack
async def test_every_route_of_the_description_stands_on_the_page_of_its_surface(world: World) -> None:
    described = (await world.client.get("/openapi.json")).json()
    index = await world.client.get("/docs")

    assert index.status_code == 200
    for tag, operations in pages.surfaces(described).items():
        page = await world.client.get(f"/docs/{pages.slug(tag)}")
        assert page.status_code == 200
        assert f'href="/docs/{pages.slug(tag)}"' in index.text
        for operation in operations:
            assert html.escape(operation.path) in page.text
        assert "script" not in page.headers["Content-Security-Policy"]


@pytest.mark.stack
async def test_a_page_nobody_wrote_is_404(world: World) -> None:
    assert (await world.client.get("/docs/nothing")).status_code == 404
