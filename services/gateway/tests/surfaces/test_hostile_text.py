"""Whatever text is put wherever a route takes text, the answer is ours: never a 500, never a redirect."""

import copy
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from ipaddress import IPv4Address
from itertools import count
from typing import Any
from urllib.parse import quote

import pytest

from ..support.isolation import Headers, member, store, user
from ..support.world import ADMIN, World

pytestmark = pytest.mark.stack
ANY_ID = "00000000-0000-0000-0000-000000000000"
BODY_TEXTS = ("a\x00@b.c", "\x1b[31m\u202e", "\u2028", "\ud800", "x" * 9_000)
QUERY_TEXTS = ("a%00b", "%ED%A0%80", "000000001" + "9" * 39, "9" * 5_000, "%1B%E2%80%AE")
QUERIES = {"/v1/generate": ("?onmodel", "?flatlay")}


CREDENTIALS: Mapping[str, Callable[[World], Awaitable[Headers]]] = {
    "/api/v1/": store,
    "/api/ai/": member,
    "/": user,
}
_addresses = count(1)


async def _headers(world: World, path: str) -> Headers:
    """Of a new user at a new address, so that no limit answers instead of the route."""
    address = {"X-Forwarded-For": str(IPv4Address("198.18.0.0") + next(_addresses)), "Prefer": "respond-async"}
    if path.startswith("/v1/admin/"):
        return ADMIN | address
    return await next(make for prefix, make in CREDENTIALS.items() if path.startswith(prefix))(world) | address


async def _operations(world: World) -> AsyncIterator[tuple[str, str, dict[str, Any]]]:
    """(method, path, description) of every route."""
    document = (await world.client.get("/openapi.json")).json()
    for path, operations in document["paths"].items():
        for method, described in operations.items():
            yield method, path, _inline(described, document["components"]["schemas"])


def _inline(node: Any, schemas: Mapping[str, Any]) -> Any:
    """Without references."""
    if isinstance(node, dict):
        if isinstance(reference := node.get("$ref"), str):
            return _inline(schemas[reference.rsplit("/", 1)[-1]], schemas)
        return {name: _inline(value, schemas) for name, value in node.items() if name != "responses"}
    return [_inline(value, schemas) for value in node] if isinstance(node, list) else node


def _example(schema: Mapping[str, Any]) -> Any:
    """Something that the schema may take, with every field there is."""
    if "examples" in schema and "properties" not in schema:
        return schema["examples"][0]
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return _example(next((option for option in schema[choice] if option.get("type") != "null"), {}))
    if "enum" in schema or "const" in schema:
        return schema.get("const", (schema.get("enum") or [None])[0])
    match schema.get("type"):
        case "object":
            return {name: _example(field) for name, field in schema.get("properties", {}).items()} or {"name": "value"}
        case "array":
            return [_example(schema.get("items", {}))]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
        case _:
            return ANY_ID if schema.get("format") == "uuid" else "text"


def _texts(value: Any, where: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The way to every text in a body, keys of free objects included."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in pairs:
        yield from _texts(child, (*where, key))
    if isinstance(value, str):
        yield where


def _with(body: Any, where: tuple[str | int, ...], text: str) -> str:
    """The body with this text there, as JSON."""
    changed = copy.deepcopy(body)
    at = changed
    for key in where[:-1]:
        at = at[key]
    at[where[-1]] = text
    return json.dumps(changed)


async def _bodies(world: World) -> AsyncIterator[tuple[str, str, Any]]:
    """(method, URL, a body) of each route that takes JSON; two where it takes two, by the query."""
    async for method, path, described in _operations(world):
        if content := described.get("requestBody", {}).get("content", {}).get("application/json"):
            schemas = content["schema"].get("oneOf", [content["schema"]])
            for schema, query in zip(schemas, QUERIES.get(path, ("",)), strict=True):
                body = {name: _example(field) for name, field in schema["properties"].items()}
                yield method, path.replace("{id}", ANY_ID) + query, body


async def test_no_text_in_any_field_of_any_body_is_a_surprise(world: World) -> None:
    tried = 0

    async for method, url, body in _bodies(world):
        for where in _texts(body):
            headers = await _headers(world, url) | {"Content-Type": "application/json"}
            for text in BODY_TEXTS:
                reply = await world.client.request(method, url, headers=headers, content=_with(body, where, text))
                assert reply.status_code not in (429, 500), (method, url, where, text[:20], reply.text)
                tried += 1

    assert tried > 150


async def test_no_text_in_any_parameter_is_a_surprise(world: World) -> None:
    tried = 0

    async for method, path, described in _operations(world):
        headers = await _headers(world, path)
        names = [parameter["name"] for parameter in described.get("parameters", ()) if parameter["in"] == "query"]
        for text in QUERY_TEXTS:
            for url in (_fill(path, text), *(f"{_fill(path, ANY_ID)}?{name}={text}" for name in names)):
                reply = await world.client.request(method, url, headers=headers)
                assert reply.status_code not in (429, 500) and not reply.is_redirect, (method, url[:200], reply.text)
                tried += 1

    assert tried > 150


def _fill(path: str, text: str) -> str:
    return "/".join(text if part.startswith("{") else quote(part) for part in path.split("/"))
