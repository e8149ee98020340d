"""What client generators and readers need of the OpenAPI document beyond what the routes declare. Pure.

Generators name classes by schemas: each schema becomes one component named after its class. Summaries are the first
sentence of a route's description; credentials, tags and the headers that are read stand on every operation.
"""

import re
from collections.abc import Iterator, MutableMapping
from typing import Any

from atelier_gateway.surfaces.descriptions import ABOUT
from atelier_gateway.surfaces.openapi_headers import ANSWER_HEADERS, declare_answer_headers, declare_headers
from atelier_gateway.surfaces.openapi_parameters import describe_parameters
from atelier_gateway.surfaces.openapi_security import declare_security

Document = dict[str, Any]
Schema = dict[str, Any]
METHODS = frozenset({"get", "post", "put", "patch", "delete"})
REFERENCE = "#/components/schemas/"
FRAMEWORK_SCHEMAS = ("HTTPValidationError", "ValidationError")
"""The framework adds a 422 to every route with a parameter; the surfaces validate themselves and answer otherwise."""
_SENTENCE = re.compile(r"(.+?)[.:;]?(?:(?<=[.:;])\s|$)")


def finish(document: Document) -> Document:
    """The same document, complete. Raises ValueError for two different schemas of one name."""
    schemas: dict[str, Schema] = document.setdefault("components", {}).setdefault("schemas", {})
    for name in FRAMEWORK_SCHEMAS:
        schemas.pop(name, None)
    for path, method, operation in operations(document):
        _drop_framework_answer(operation)
        _summarise(operation)
        declare_headers(path, method, operation)
        describe_parameters(path, operation)
        declare_answer_headers(path, method, operation)
    for name, schema in list(schemas.items()):
        schemas[name] = {**{key: _hoisted(value, schemas) for key, value in schema.items()}, "title": name}
    for section in ("paths", "webhooks"):
        document[section] = _hoisted(document.get(section, {}), schemas)
    answers = (answer for _, _, operation in operations(document) for answer in operation["responses"].values())
    carried = {name for answer in answers for name in answer.get("headers", ())}
    document["components"]["headers"] = {name: ANSWER_HEADERS[name] for name in ANSWER_HEADERS if name in carried}
    declare_security(document, operations(document))
    for method in (method for methods in document["webhooks"].values() for method in methods.values()):
        method["security"] = []  # What we send is signed; the receiver asks for no credential of ours.
    used = {tag for _, _, operation in operations(document) for tag in operation.get("tags", ())}
    document["tags"] = [{"name": name, "description": ABOUT[name]} for name in ABOUT if name in used]
    return document


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Path, method and operation, in the document's order."""
    for path, methods in document.get("paths", {}).items():
        for method, operation in methods.items():
            if method in METHODS:
                yield path, method, operation


def _drop_framework_answer(operation: Document) -> None:
    if FRAMEWORK_SCHEMAS[0] in str(operation["responses"].get("422")):
        del operation["responses"]["422"]


def _summarise(operation: Document) -> None:
    """The first sentence is the summary; the description keeps all of them, on one line a paragraph."""
    description = " ".join(str(operation.get("description", "")).split())
    if sentence := _SENTENCE.match(description):
        operation["summary"], operation["description"] = sentence[1], description


def _hoisted(node: Any, schemas: MutableMapping[str, Schema]) -> Any:
    """The same, its objects with a title moved to the components; equal ones are one component."""
    if isinstance(node, list):
        return [_hoisted(value, schemas) for value in node]
    if not isinstance(node, dict):
        return node
    inner = {key: value if key in ("example", "examples") else _hoisted(value, schemas) for key, value in node.items()}
    if inner.get("type") != "object" or not isinstance(inner.get("title"), str) or "properties" not in inner:
        return inner
    return {"$ref": REFERENCE + _component(inner, schemas)}


def _component(schema: Schema, schemas: MutableMapping[str, Schema]) -> str:
    name = str(schema["title"])
    if schemas.setdefault(name, schema) != schema:
        raise ValueError(f"two different schemas are called {name}: rename one of the classes")
    return name
