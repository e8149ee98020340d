"""The rules for bodies on every route that takes one, generated from OpenAPI: a new route cannot forget them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from atelier_gateway.surfaces import LARGER_BODIES

from ..support.isolation import Headers, member, store, user
from ..support.world import ADMIN, World

pytestmark = pytest.mark.stack
MIB = 1_048_576
CHUNK = b" " * 65_536
READ = ("post", "put", "patch")
QUERIES = {"/v1/generate": "?onmodel"}
OF_A_PEER = ("/v1/admin/reconcile/runs", "/v1/admin/log/verify")
"""Without a body they are whole; another service, which is not there, does the work."""
"""What a route wants to know before it reads a body."""


async def _routes(world: World) -> AsyncIterator[tuple[str, str, dict[str, Any]]]:
    """(method, path, media types) of each route that takes a body."""
    for path, operations in (await world.load_paths()).items():
        for method in READ:
            if "requestBody" in operations.get(method, {}):
                yield (
                    method,
                    path.replace("{id}", "00000000-0000-0000-0000-000000000000"),
                    operations[method]["requestBody"]["content"],
                )


async def _credentials(world: World) -> dict[str, Headers]:
    return {
        "/api/v1/": await store(world),
        "/v1/admin/": ADMIN,
        "/api/ai/": await member(world),
        "/v1/client-tokens": await store(world),
        "/": await user(world),
    }


def _headers(credentials: dict[str, Headers], path: str) -> Headers:
    return next(headers for prefix, headers in credentials.items() if path.startswith(prefix))


async def _big(start: bytes, length: int) -> AsyncIterator[bytes]:
    yield start
    for _ in range(length // len(CHUNK) + 1):
        yield CHUNK


def _start_of(media: str) -> tuple[str, bytes]:
    """The content type and the first bytes of a body of any length."""
    if media == "multipart/form-data":
        field = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
        return "multipart/form-data; boundary=x", field
    return media, b""


async def test_a_body_past_the_cap_is_413_although_its_length_is_not_told(world: World) -> None:
    credentials, before = await _credentials(world), await world.rows()
    tried = 0

    async for method, path, content in _routes(world):
        content_type, start = _start_of(next(iter(content)))
        headers = _headers(credentials, path) | {"Content-Type": content_type}
        body = _big(start, LARGER_BODIES.get(path, MIB))
        url = path + QUERIES.get(path, "")
        answered = await world.client.request(method, url, headers=headers, content=body)
        # A dispute of a generation that is not the caller's is refused before its body is read.
        assert answered.status_code == (404 if path.endswith("/disputes") else 413), (path, answered.text)
        tried += 1

    assert tried > 10 and await world.rows() == before


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{", b"[" * 100_000, b'{"a":' * 5_000, b"\xff\xfe", b'{"a": NaN}', b'"\\ud800"'],
    ids=["nothing", "null", "list", "open", "deep", "deeper", "not-utf8", "nan", "surrogate"],
)  # fmt: skip
async def test_a_body_that_is_no_object_of_the_route_is_400_and_leaves_nothing(world: World, body: bytes) -> None:
    credentials, before = await _credentials(world), await world.rows()

    async for method, path, content in _routes(world):
        if "application/json" in content:
            headers = _headers(credentials, path) | {"Content-Type": "application/json"}
            answered = await world.client.request(method, path, headers=headers, content=body)
            accepted = 503 if path in OF_A_PEER and not body else 400
            assert answered.status_code in (accepted, 404), (path, answered.text)

    assert await world.rows() == before


async def test_every_object_in_every_body_refuses_unknown_fields(world: World) -> None:
    async for _, path, content in _routes(world):
        for media in content.values():
            for where, schema in _objects(media["schema"], path):
                assert "additionalProperties" in schema and schema["additionalProperties"] is not True, where


def _objects(schema: Any, where: str) -> list[tuple[str, dict[str, Any]]]:
    if isinstance(schema, list):
        return [found for part in schema for found in _objects(part, where)]
    if not isinstance(schema, dict):
        return []
    mine = [(where, schema)] if schema.get("type") == "object" and "properties" in schema else []
    parts = {name: schema[name] for name in ("items", "anyOf", "oneOf", "allOf", "prefixItems") if name in schema}
    parts |= schema.get("properties", {})
    return mine + [found for name, part in parts.items() for found in _objects(part, f"{where} {name}")]


async def test_of_a_key_that_comes_twice_the_last_counts(world: World) -> None:
    headers = await user(world) | {"Content-Type": "application/json"}
    body = b'{"kind": "image", "prompt": "first", "size": "256x256", "prompt": "last"}'

    made = await world.client.post("/v1/generations", headers=headers, content=body)

    assert made.status_code == 201
    assert await world.pool.fetchval("SELECT request->>'prompt' FROM generations") == "last"
