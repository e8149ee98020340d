"""What client generators and viewers need of the OpenAPI document beyond what the routes declare. Pure.

Generators name classes by titles: each schema becomes one component with a title of its own, credentials are declared,
and the headers that surfaces read stand on every operation that reads them.
"""

import re
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

Document = dict[str, Any]
Schema = dict[str, Any]
METHODS = frozenset({"get", "post", "put", "patch", "delete"})
REFERENCE = "#/components/schemas/"
_MODULE_PATH = re.compile(r"^atelier_gateway__(?:surfaces__)?(.+?)(?:_docs|__docs|__\w+)?__(\w+)$")

SECURITY_SCHEMES: Mapping[str, Schema] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A user's token, or a store's API key; on the operators' listener, an operator's token.",
    },
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "A store's API key."},
}
OPEN_OPERATIONS = frozenset({("get", "/api/generate"), ("get", "/problems/{code}")})
"""What needs no credential."""


def _header(name: str, schema: Schema, what: str) -> Schema:
    return {"name": name, "in": "header", "required": False, "schema": schema, "description": what}


WORKSPACE = _header("X-Workspace-Id", {"type": "string"}, "A user acts for this workspace.")
KEY = _header(
    "Idempotency-Key",
    {"type": "string", "pattern": "^[\\x21-\\x7e]{1,255}$"},
    "The same key gives the same answer for 24 hours.",
)
SIMULATE = _header(
    "X-Atelier-Simulate",
    {"type": "string", "examples": ["outcome=succeed, delay_ms=500", "outcome=partial:2", "picture=none"]},
    "How the work shall end, where the simulator is on: `outcome=` `succeed`, `fail`, `timeout`, `lost_response`, "
    "`corrupt` or `partial:N`; `delay_ms=`; `picture=none`.",
)
PREFER = _header("Prefer", {"type": "string"}, "`respond-async`: the answer does not wait for the result.")

FOR_WORKSPACES = re.compile(r"^/v1/(generations|uploads|capabilities|quotes|credits|images|models|webhooks)(/|$)")
KEYED = re.compile(
    r"^/(api/v1/(generation/create|uploads)|api/(generate|stories|story-generations)|api/ai/images.*|v1/.*)$"
)
UNKEYED = frozenset({"/v1/quotes"})
SIMULATED = frozenset(
    {
        *("/v1/generations", "/v1/quotes", "/v1/images/generations", "/v1/images/edits", "/v1/images/variations"),
        *("/v1/generate", "/api/v1/generation/create", "/api/ai/images", "/api/ai/images/batches"),
        *("/api/generate", "/api/story-generations"),
    }
)
PREFERRING = frozenset({"/v1/generations", "/v1/generate", "/api/ai/images"})


def finish(document: Document) -> Document:
    """The document with one component a schema, unique titles, credentials, and all headers that are read."""
    schemas: dict[str, Schema] = document.setdefault("components", {}).setdefault("schemas", {})
    _rename(document, schemas)
    for path, method, operation in _operations(document):
        _declare_headers(path, method, operation)
    for name, schema in list(schemas.items()):
        schemas[name] = {**{key: _hoisted(value, schemas) for key, value in schema.items()}, "title": name}
    for section in ("paths", "webhooks"):
        document[section] = _hoisted(document.get(section, {}), schemas)
    document["components"]["securitySchemes"] = dict(SECURITY_SCHEMES)
    document["security"] = [{name: []} for name in SECURITY_SCHEMES]
    for path, method, operation in _operations(document):
        if (method, path) in OPEN_OPERATIONS:
            operation["security"] = []
    return document


def _operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    for path, operations in document.get("paths", {}).items():
        for method, operation in operations.items():
            if method in METHODS:
                yield path, method, operation


def _declare_headers(path: str, method: str, operation: Document) -> None:
    parameters: list[Schema] = operation.setdefault("parameters", [])
    # An operator's token is a credential, which the security schemes declare.
    parameters[:] = [one for one in parameters if one["name"].lower() != "authorization"]
    creates, admin = method == "post", path.startswith("/v1/admin")
    wanted = [WORKSPACE] if FOR_WORKSPACES.match(path) and not admin else []
    wanted += [KEY] if creates and not admin and KEYED.match(path) and path not in UNKEYED else []
    wanted += [SIMULATE] if creates and path in SIMULATED else []
    wanted += [PREFER] if creates and path in PREFERRING else []
    known = {(one["in"], one["name"].lower()) for one in parameters}
    parameters += [one for one in wanted if ("header", one["name"].lower()) not in known]


def _rename(document: Document, schemas: MutableMapping[str, Schema]) -> None:
    """Names without the module paths by which the framework tells equal class names apart."""
    names: dict[str, str] = {}
    for name in schemas:
        found = _MODULE_PATH.match(name)
        surface = "".join(word.capitalize() for word in re.split(r"_+", found[1])) if found else ""
        new = f"{surface}{found[2]}" if found else name
        names[name] = new if new == name or new not in {*schemas, *names.values()} else f"{new}{len(names)}"
    renamed = {names[name]: schema for name, schema in schemas.items()}
    schemas.clear()
    schemas.update(renamed)
    _point(document, names)


def _point(node: Any, names: Mapping[str, str]) -> None:
    if isinstance(node, dict):
        if isinstance(reference := node.get("$ref"), str) and reference.startswith(REFERENCE):
            node["$ref"] = REFERENCE + names[reference.removeprefix(REFERENCE)]
        for value in node.values():
            _point(value, names)
    elif isinstance(node, list):
        for value in node:
            _point(value, names)


def _hoisted(node: Any, schemas: MutableMapping[str, Schema]) -> Any:
    """The same, its objects with a title moved among the components; equal ones are one component."""
    if isinstance(node, list):
        return [_hoisted(value, schemas) for value in node]
    if not isinstance(node, dict):
        return node
    inner = {key: value if key == "examples" else _hoisted(value, schemas) for key, value in node.items()}
    if inner.get("type") != "object" or not isinstance(inner.get("title"), str) or "properties" not in inner:
        return inner
    return {"$ref": REFERENCE + _component(inner, schemas)}


def _component(schema: Schema, schemas: MutableMapping[str, Schema]) -> str:
    base = str(schema["title"])
    for name in (base, *(f"{base}{number}" for number in range(2, 100))):
        titled = {**schema, "title": name}
        if schemas.setdefault(name, titled) == titled:
            return name
    raise AssertionError(f"more than a hundred schemas are called {base}")
