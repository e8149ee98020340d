"""The OpenAPI documents are complete, and their names are those of the field: no server is needed to read them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from jsonschema import Draft202012Validator
from pydantic import BaseModel

import atelier_gateway
from atelier_gateway.surfaces.openapi import operation_id_of
from atelier_gateway.surfaces.openapi_document import Document, finish, operations

from ..support.documents import LISTENERS, documents
from ..support.headers import UNDECLARED, headers_read

PUBLISHED = Path(__file__).with_name("published_names.json")
"""The names that clients are generated with. A change here is a breaking change: the CHANGELOG has to announce it."""


@pytest.mark.parametrize("listener", LISTENERS)
def test_every_published_name_is_on_record(listener: str) -> None:
    document = documents()[listener]

    names = {
        "operations": {f"{method.upper()} {path}": op["operationId"] for path, method, op in operations(document)},
        "schemas": sorted(document["components"]["schemas"]),
    }

    assert names == json.loads(PUBLISHED.read_text())[listener]


@pytest.mark.parametrize("listener", LISTENERS)
def test_a_schema_is_named_after_its_class_and_titled_so(listener: str) -> None:
    schemas = documents()[listener]["components"]["schemas"]

    assert [name for name, schema in schemas.items() if schema["title"] != name] == []
    assert [name for name in schemas if not re.fullmatch(r"[A-Z][A-Za-z0-9]+", name)] == []
    assert set(schemas) <= {model.__name__ for model in _subclasses(BaseModel)}


@pytest.mark.parametrize("listener", LISTENERS)
def test_an_operation_is_a_verb_and_a_noun_in_camel_case_and_no_other_is_called_so(listener: str) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(documents()[listener])]

    assert len(set(ids)) == len(ids)
    assert [name for name in ids if not re.fullmatch(r"[a-z]+([A-Z][a-z0-9]*)+", name)] == []


@pytest.mark.parametrize("listener", LISTENERS)
def test_summaries_are_phrases_that_begin_with_a_verb_and_descriptions_are_sentences(listener: str) -> None:
    for path, method, operation in operations(documents()[listener]):
        assert operation["summary"].split()[0] in VERBS, (method, path, operation["summary"])
        assert not operation["summary"].endswith("."), (method, path)
        assert operation["description"].startswith(operation["summary"]), (method, path)
        assert operation["description"].endswith("."), (method, path)


VERBS = frozenset(
    [
        "Acknowledge",
        "Add",
        "Cancel",
        "Check",
        "Create",
        "Delete",
        "Disable",
        "Explain",
        "Get",
        "Grant",
        "List",
        "Remove",
        "Replace",
        "Replay",
        "Revoke",
        "Search",
        "Rotate",
        "Send",
        "Set",
        "Start",
        "Stream",
        "Submit",
        "Suspend",
        "Update",
        "Verify",
    ]
)


def test_no_operation_of_one_listener_is_called_like_one_of_the_other() -> None:
    public, others = ({op["operationId"] for _, _, op in operations(documents()[listener])} for listener in LISTENERS)

    assert public.isdisjoint(others)


@pytest.mark.parametrize("listener", LISTENERS)
def test_the_problem_is_one_component(listener: str) -> None:
    text = json.dumps(documents()[listener])

    assert text.count('"title": "Problem"') == 1
    assert "#/components/schemas/Problem" in text


def test_switches_are_plain_types() -> None:
    stream = documents()["public"]["components"]["schemas"]["OpenAIImageRequest"]["properties"]["stream"]

    assert [choice["type"] for choice in stream["anyOf"]] == ["boolean", "null"]


def test_the_document_has_servers_and_its_operations_the_credentials_they_take() -> None:
    public, admin = documents()["public"], documents()["operations"]
    security = {(method, path): list(map(set, op["security"])) for path, method, op in operations(public)}

    assert public["servers"][0]["url"].startswith("http") and admin["servers"]
    assert set(admin["components"]["securitySchemes"]) == {"operatorToken"}
    assert set(public["components"]["securitySchemes"]) == {"bearer", "apiKey", "clientToken", "sessionCookie"}
    assert [path for (_, path), schemes in security.items() if {"clientToken"} in schemes] == [
        "/v1/generations/{id}/events"
    ]
    assert security["post", "/v1/generations"] == security["get", "/v1/webhooks"] == [{"bearer"}, {"apiKey"}]
    assert security["post", "/api/v1/generation/create"] == [{"apiKey"}, {"bearer"}]
    assert security["post", "/api/generate"] == [{"bearer"}, {"sessionCookie"}]
    assert security["post", "/api/stories"] == security["post", "/v1/generate"] == [{"bearer"}]
    assert [key for key, schemes in security.items() if not schemes] == [
        ("get", "/problems/{code}"),
        ("get", "/.well-known/jwks.json"),
        ("get", "/v1/log/checkpoint"),
        ("get", "/v1/log/entries/{id}/inclusion"),
        ("get", "/v1/log/consistency"),
        ("get", "/api/generate"),
    ]


def test_every_header_that_a_route_reads_stands_on_it() -> None:
    headers = {
        (method, path): {
            parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "header"
        }
        for document in documents().values()
        for path, method, operation in operations(document)
    }

    for path in ("", "/receipt", "/explain", "/events"):
        assert "X-Workspace-Id" in headers["get", "/v1/generations/{id}" + path]
    assert "X-Workspace-Id" in headers["delete", "/v1/generations/{id}"]
    keyed = ("/api/v1/generation/create", "/api/stories", "/api/story-generations", "/api/generate")
    for path in (*keyed, "/v1/admin/credits/grants"):
        assert "Idempotency-Key" in headers["post", path]
    creates = ("/v1/generations", "/v1/images/edits", "/v1/generate", "/api/v1/generation/create", "/api/ai/images")
    assert all("X-Atelier-Simulate" in headers["post", path] for path in creates)
    assert all("Prefer" in headers["post", path] for path in ("/v1/generations", "/v1/generate", "/api/ai/images"))


def test_every_act_of_an_operator_may_be_refused_for_its_reason() -> None:
    acts = [
        (path, method, operation)
        for path, method, operation in operations(documents()["operations"])
        if path.startswith("/v1/admin") and method != "get"
    ]

    assert len(acts) > 20
    assert [(path, method) for path, method, operation in acts if "400" not in operation["responses"]] == []


@pytest.mark.parametrize("listener", LISTENERS)
def test_each_request_and_each_answer_has_an_example_that_its_schema_allows(listener: str) -> None:
    document, wrong = documents()[listener], []

    for path, method, status, kind, media in _bodies(document):
        examples = (
            [media["example"]] if "example" in media else [example["value"] for example in media["examples"].values()]
        )
        schema = {"components": document["components"], **media["schema"]}
        assert examples, (method, path, status)
        errors = [error for example in examples for error in Draft202012Validator(schema).iter_errors(example)]
        wrong += [(method, path, status, kind, error.json_path, error.message) for error in errors]

    assert wrong == []


@pytest.mark.parametrize("listener", LISTENERS)
def test_each_schema_is_true_of_its_own_examples(listener: str) -> None:
    components = documents()[listener]["components"]

    for name, schema in components["schemas"].items():
        validator = Draft202012Validator({"components": components, **schema})
        assert [
            (name, error.message) for example in schema.get("examples", ()) for error in validator.iter_errors(example)
        ] == []


@pytest.mark.parametrize("listener", LISTENERS)
def test_each_parameter_is_described_and_a_page_size_has_its_default_and_its_maximum(listener: str) -> None:
    for path, method, operation in operations(documents()[listener]):
        for parameter in operation["parameters"]:
            assert parameter["description"].endswith((".", "`")), (method, path, parameter["name"])
            if parameter["name"] in ("limit", "pageSize"):
                assert {"default", "minimum", "maximum"} <= set(parameter["schema"]), (method, path)


def test_every_header_that_the_source_reads_is_declared_or_has_its_reason() -> None:
    text = json.dumps(documents())
    declared = {name.lower() for name in re.findall(r'"name": "([^"]+)", "in": "header"', text)}

    read = {name.lower() for name in headers_read(Path(atelier_gateway.__file__).parent)}

    assert len(read & declared) >= 6
    assert read - declared == UNDECLARED.keys()


def test_equal_inline_objects_become_one_component() -> None:
    document = finish({"paths": _paths("string", "string")})

    names = [path["post"]["responses"]["200"]["x"]["$ref"].rsplit("/", 1)[-1] for path in document["paths"].values()]
    assert names == ["Options", "Options"]
    assert {name: schema["title"] for name, schema in document["components"]["schemas"].items()} == {
        "Options": "Options"
    }


def test_two_classes_of_one_name_are_refused_by_that_name() -> None:
    with pytest.raises(ValueError, match="two different schemas are called Options"):
        finish({"paths": _paths("string", "integer")})


def test_an_operation_is_named_after_its_function() -> None:
    routes = APIRouter()

    @routes.get("/x")
    async def list_webhook_deliveries() -> None: ...

    assert [operation_id_of(route) for route in routes.routes if isinstance(route, APIRoute)] == [
        "listWebhookDeliveries"
    ]


def _bodies(document: Document) -> Iterator[tuple[str, str, str, str, dict[str, Any]]]:
    """Path, method, status (or request), media type and media object."""
    sections = (*document["paths"].items(), *document.get("webhooks", {}).items())
    for path, method, operation in ((path, *pair) for path, methods in sections for pair in methods.items()):
        for kind, media in operation.get("requestBody", {}).get("content", {}).items():
            yield path, method, "request", kind, media
        for status, response in operation["responses"].items():
            for kind, media in response.get("content", {}).items():
                yield path, method, status, kind, media


def _paths(*kinds: str) -> dict[str, Any]:
    def inline(kind: str) -> dict[str, Any]:
        return {"type": "object", "title": "Options", "properties": {"a": {"type": kind}}}

    return {f"/{i}": {"post": {"responses": {"200": {"x": inline(kind)}}}} for i, kind in enumerate(kinds)}


def _subclasses(model: type[BaseModel]) -> set[type[BaseModel]]:
    return {model}.union(*(_subclasses(below) for below in model.__subclasses__()))
