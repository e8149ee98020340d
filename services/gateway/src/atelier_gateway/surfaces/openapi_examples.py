"""The examples of the OpenAPI document: one for each request and each answer, valid for its schema.

What a schema declares as its example is taken; the rest is composed from the examples, the names and the types of its
fields. Errors look as the surface of the path renders them.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Schema = dict[str, Any]
Schemas = Mapping[str, Schema]
ErrorExample = Callable[[str, int], object]
"""The body of an error at a path with a status; None where the surface has no such error."""

ID = "01a1fc2b-e840-76c4-840b-55c1df4115f5"
AT = "2026-01-01T12:00:00+00:00"
URL = "https://files.example.com/pictures/bicycle.png"
BY_FORMAT: Mapping[str, object] = {"uuid": ID, "date-time": AT, "date": "2027-01-01", "binary": "(the bytes of a PNG)"}
BY_NAME: Mapping[str, object] = {
    "_id": ID,
    "act": "store.suspend",
    "api_key": "atl_9f86d081884c_7d659a2feaa0c55ad015a3bf4f1b2b0b",
    "backdrop": "#f4f0e8",
    "checksum": "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "code": "invalid_request",
    "content_type": "image/png",
    "credit": "held",
    "createdAt": AT,
    "created_at": AT,
    "customPrompt": "in a bright loft",
    "debit": "available",
    "description": "orders",
    "email": "ada@example.com",
    "estimated_time": 30,
    "filename": "portrait.png",
    "format": "png",
    "generated_at": "2026-01-01T12:00:00Z",
    "hair": "#2b1d16",
    "id": ID,
    "image": URL,
    "image_url": URL,
    "job_id": ID,
    "key": f"users/{ID}/uploads/{ID}/portrait.png",
    "key_id": ID,
    "message": "Done",
    "model": "gpt-image-2.6-flare",
    "name": "Acme",
    "owner": {"kind": "store", "id": ID},
    "prefix": "9f86d081884c",
    "price_book": "v3",
    "prompt": "a red bicycle",
    "provider": "local",
    "providers": [],
    "reason": "welcome",
    "request_id": ID,
    "role": "operator",
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "session_id": ID,
    "size": "1024x1024",
    "status_url": f"/api/ai/images/{ID}",
    "step": "done",
    "style": "natural",
    "summary": "The generation succeeded; 10 credits were captured.",
    "text": "The old keeper climbed the stairs.",
    "timestamp": AT,
    "title": "The lighthouse",
    "token": "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl",
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "type": "generation.succeeded",
    "updatedAt": AT,
    "upload_url": "https://files.example.com/pictures/portrait.png?signature=abc",
    "url": URL,
    "user_id": ID,
    "webhook_id": ID,
    "what": "A worker began to render it.",
}
"""By the name of the field, where its type fits."""
EVENT_STREAM = (
    f'retry: 2000\nid: 4\nevent: rendering\ndata: {{"id":"{ID}","status":"rendering","progress":0,'
    f'"at":"{AT}","metadata":{{}}}}\n\n'
)
BY_MEDIA: Mapping[str, str] = {
    "text/event-stream": EVENT_STREAM,
    "text/html": "<!doctype html><title>Not enough credits</title>",
}
TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}


def add_examples(document: dict[str, Any], error_example: ErrorExample) -> None:
    """Completes the examples of the schemas and adds one to each body that has none."""
    schemas: dict[str, Schema] = document["components"]["schemas"]
    for schema in schemas.values():
        if "examples" in schema:
            schema["examples"] = [completed(example, schema, schemas) for example in schema["examples"]]
    for section in ("paths", "webhooks"):
        for path, operation in _operations(document.get(section, {})):
            for status, kind, media in _bodies(operation):
                if not media.keys() & {"example", "examples"}:
                    media["example"] = _body_example(path, status, kind, media, schemas, error_example)


def example_of(schema: Schema, schemas: Schemas, name: str = "") -> Any:
    """A value of this schema, the same each time. ``name``: of the field that it is."""
    schema = resolved(schema, schemas)
    if schema.get("examples"):
        return completed(schema["examples"][0], schema, schemas)
    for keyword in ("const", "default"):
        if schema.get(keyword) is not None:
            return schema[keyword]
    if "enum" in schema:
        return schema["enum"][0]
    if options := schema.get("anyOf") or schema.get("oneOf"):
        first = next((option for option in options if option.get("type") != "null"), options[0])
        return example_of(first, schemas, name)
    return _of_type(schema, schemas, name)


def completed(example: Any, schema: Schema, schemas: Schemas) -> Any:
    """The example with the required fields that it lacks: the framework drops those that are null."""
    schema = resolved(schema, schemas)
    if isinstance(example, list):
        return [completed(item, schema.get("items", {}), schemas) for item in example]
    if not isinstance(example, dict):
        return example
    fields: Mapping[str, Schema] = schema.get("properties", {})
    whole = {name: completed(value, fields.get(name, {}), schemas) for name, value in example.items()}
    for name in schema.get("required", ()):
        if name not in whole:
            is_nullable = any(field.get("type") == "null" for field in (fields[name], *fields[name].get("anyOf", ())))
            whole[name] = None if is_nullable else example_of(fields[name], schemas, name)
    return whole


def resolved(schema: Schema, schemas: Schemas) -> Schema:
    """The schema that a reference leads to."""
    reference = schema.get("$ref")
    return resolved(schemas[reference.rsplit("/", 1)[-1]], schemas) if reference else schema


def _of_type(schema: Schema, schemas: Schemas, name: str) -> Any:
    kind = schema.get("type")
    if kind == "object":
        return {field: example_of(value, schemas, field) for field, value in schema.get("properties", {}).items()}
    if kind == "array":
        return [example_of(schema["items"], schemas, name.removesuffix("s"))] if schema.get("items") else []
    if schema.get("format") in BY_FORMAT:
        return BY_FORMAT[schema["format"]]
    known = BY_NAME.get(name)
    if known is not None and isinstance(known, TYPES.get(kind or "", object)):
        return known
    simple: Mapping[str, object] = {"string": name or "text", "boolean": False}
    return schema.get("minimum", 1) if kind in ("integer", "number") else simple.get(kind or "")


def _operations(paths: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in paths.items():
        for operation in methods.values():
            yield path, operation


def _bodies(operation: dict[str, Any]) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Status (0 for the request), media type and media object of each body."""
    for kind, media in operation.get("requestBody", {}).get("content", {}).items():
        yield 0, kind, media
    for status, response in operation["responses"].items():
        for kind, media in response.get("content", {}).items():
            yield int(status) if status.isdigit() else 0, kind, media


def _body_example(
    path: str, status: int, kind: str, media: dict[str, Any], schemas: Schemas, error_example: ErrorExample
) -> Any:
    schema = media.get("schema", {})
    if status >= 400 and isinstance(error := error_example(path, status), dict):
        options = [resolved(option, schemas) for option in schema.get("anyOf", [schema])]
        if any(set(option.get("required", ())) <= set(error) for option in options):
            return error
    return BY_MEDIA[kind] if kind in BY_MEDIA else example_of(schema, schemas)
