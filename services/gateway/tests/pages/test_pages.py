"""The pages under ``/docs`` show what is served, all of it, and nothing that could run."""

import html
import json
import shlex
from typing import Any

import httpx
import pytest

from atelier_gateway import pages
from atelier_gateway.surfaces.descriptions import ABOUT
from atelier_gateway.surfaces.native import problem_pages
from atelier_gateway.web.problems import PROBLEM_TYPES

from ..support.world import World

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
    ((operation,),) = [surface.operations for surface in pages.surfaces(PARTS)]

    assert [answer.status for answer in operation.answers] == ["200", "404"]
    assert operation.answers[0].example == '{\n  "id": "x"\n}'


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 10}, "integer, 1 to 10"),
        ({"anyOf": [{"type": "string", "maxLength": 9}, {"type": "null"}]}, "string, 9 at most"),
        ({"enum": ["png", "webp", None]}, "png | webp"),
        ({"type": "array", "items": {"type": "object"}, "maxItems": 3}, "list of objects, 3 at most"),
        ({}, ""),
    ],
)
def test_a_field_is_told_in_a_few_words(field: dict[str, Any], kind: str) -> None:
    body = {"content": {"application/json": {"schema": {"properties": {"a": field}, "required": ["a"]}}}}
    (surface,) = pages.surfaces({"paths": {"/a": {"post": {"requestBody": body, "responses": {}}}}})

    assert surface.operations[0].fields == [pages.Field("a", kind, True, "")]


def test_a_body_is_shown_by_the_examples_of_its_fields_and_never_as_a_schema() -> None:
    schema = {"properties": {"a": {"examples": ["x"]}, "b": {"type": "string"}}}
    body = {"content": {"application/json": {"schema": schema}}}
    (surface,) = pages.surfaces({"paths": {"/a": {"post": {"requestBody": body, "responses": {}}}}})

    assert surface.operations[0].body == '{\n  "a": "x"\n}'


def test_nothing_in_a_description_runs_and_backticks_are_code() -> None:
    assert pages.marked("<b> `x<y` ``z``") == "&lt;b&gt; <code>x&lt;y</code> <code>z</code>"


@pytest.mark.stack
@pytest.mark.parametrize("door", ["public", "operations"])
async def test_every_route_of_the_description_stands_on_the_page_of_its_surface(world: World, door: str) -> None:
    client: httpx.AsyncClient = getattr(world, door)
    described = (await client.get("/openapi.json")).json()
    index = await client.get("/docs/api")

    assert index.status_code == 200
    for surface in pages.surfaces(described):
        page = await client.get(f"/docs/api/{pages.slug(surface.tag)}")
        assert page.status_code == 200
        assert f'href="/docs/api/{pages.slug(surface.tag)}"' in index.text
        assert surface.about and surface.about in ABOUT.values()
        for operation in surface.operations:
            assert operation.summary.endswith((".", "webhooks")) or operation.path.startswith("generation.")
            assert f'id="{operation.anchor}"' in page.text
            assert html.escape(operation.path) in page.text
        assert "script" not in page.headers["Content-Security-Policy"]


def test_an_answer_without_an_example_shows_one_that_is_made_from_its_schema() -> None:
    schemas = {
        "Item": {"properties": {"state": {"enum": ["open", "done"]}, "at": {"type": "string", "format": "date-time"}}},
        "Items": {"properties": {"data": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}}}},
    }
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Items"}}}
    answers = {"200": {"description": "Some", "content": content}}
    paths = {"/items": {"get": {"responses": answers}}}

    (surface,) = pages.surfaces({"paths": paths, "components": {"schemas": schemas}})

    (answer,) = surface.operations[0].answers
    assert json.loads(answer.example) == {"data": [{"state": "open", "at": "2026-01-01T12:00:00+00:00"}]}


def test_a_schema_that_holds_itself_has_an_example_that_ends() -> None:
    node = {"properties": {"child": {"$ref": "#/components/schemas/Node"}}}
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Node"}}}
    paths = {"/nodes": {"get": {"responses": {"200": {"content": content}}}}}

    (surface,) = pages.surfaces({"paths": paths, "components": {"schemas": {"Node": node}}})

    assert surface.operations[0].answers[0].example.count("child") == 6


def test_an_operation_with_a_json_body_shows_the_call_that_a_shell_takes_as_it_is() -> None:
    schema = {"properties": {"prompt": {"examples": ["a dog's bowl"]}}}
    body = {"content": {"application/json": {"schema": schema}}}
    (surface,) = pages.surfaces({"paths": {"/a": {"post": {"requestBody": body, "responses": {}}}}})

    words = shlex.split(surface.operations[0].curl)

    assert json.loads(words[words.index("-d") + 1]) == {"prompt": "a dog's bowl"}
    assert words[-1] == "$ATELIER_URL/a"


@pytest.mark.stack
async def test_a_page_nobody_wrote_is_404(world: World) -> None:
    assert (await world.client.get("/docs/nothing")).status_code == 404


def test_every_advice_by_code_belongs_to_a_problem_and_every_problem_has_one() -> None:
    assert set(problem_pages.ADVICE_BY_CODE) <= set(PROBLEM_TYPES)
    assert [code for code, kind in PROBLEM_TYPES.items() if not problem_pages.advice_for(code, kind.status)] == []
