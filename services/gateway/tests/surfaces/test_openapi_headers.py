"""On the running gateway: a route reads no header that its OpenAPI operation does not declare, nor does an answer
carry one."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from starlette.datastructures import Headers

from atelier_gateway.middleware.request_guard import SECURITY_HEADERS
from atelier_gateway.surfaces.form.responses import SECURITY_HEADERS as FORM_SECURITY_HEADERS
from atelier_gateway.surfaces.openapi_document import Document, operations

from ..support.documents import LISTENERS
from ..support.headers import UNDECLARED
from ..support.world import ADMIN, World

pytestmark = pytest.mark.stack
UNLISTED = {name.lower() for name in (*SECURITY_HEADERS, *FORM_SECURITY_HEADERS, "Content-Type", "Content-Length")}
"""Answer headers that are the same everywhere, or HTTP's own."""
OF_THE_FRAMEWORK = {"host", "cookie"}
"""It reads them to know a request's URL and its cookies, which are no parameters."""
WITHOUT_END = "/events"
"""Answers until its generation ends; ``test_event_stream`` reads its headers."""
UNKNOWN_MODEL = {"model": "nothing"}
"""The picture routes of OpenAI's shape answer when the picture is there; this they refuse at once."""


@pytest.mark.parametrize("listener", LISTENERS)
async def test_a_route_reads_and_an_answer_carries_only_the_headers_that_are_declared(
    world: World, listener: str
) -> None:
    door: httpx.AsyncClient = getattr(world, listener)
    document = (await door.get("/openapi.json")).json()
    credentials = await _credentials(world)
    undeclared: list[str] = []

    for path, method, operation in operations(document):
        if path.endswith(WITHOUT_END):
            continue
        with record_lookups() as names:
            answer = await _send(door, path, method, operation, credentials)
        declared = {parameter["name"].lower() for parameter in operation["parameters"] if parameter["in"] == "header"}
        response = operation["responses"].get(str(answer.status_code))
        assert response is not None, (method, path, answer.status_code, answer.text)
        carried = {name for name in answer.headers if name not in UNLISTED}
        reasons = UNDECLARED.keys() | OF_THE_FRAMEWORK
        undeclared += [f"{method} {path} reads {name}" for name in names - declared - reasons]
        known = {name.lower() for name in response["headers"]}
        undeclared += [f"{answer.status_code} of {method} {path} carries {name}" for name in carried - known]

    assert not undeclared, "\n".join(undeclared)


@contextmanager
def record_lookups() -> Iterator[set[str]]:
    """The names of all request headers that are looked up within the block, in lower case."""
    names: set[str] = set()
    read, holds = Headers.__getitem__, Headers.__contains__

    def note(headers: Headers, name: Any) -> None:
        if type(headers) is Headers:
            names.add(str(name).lower())

    def getitem(self: Headers, key: str) -> str:
        note(self, key)
        return read(self, key)

    def contains(self: Headers, key: object) -> bool:
        note(self, key)
        return holds(self, key)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Headers, "__getitem__", getitem)
        patch.setattr(Headers, "__contains__", contains)
        yield names


async def _credentials(world: World) -> Mapping[str, Mapping[str, str]]:
    """Headers by the security scheme that an operation names first."""
    _, store = await world.store()
    user_id, user = await world.user()
    body = {"name": "documented", "member_ids": [str(user_id)]}
    workspace = (await world.operations.post("/v1/admin/workspaces", headers=ADMIN, json=body)).json()["id"]
    acting = user | {"X-Workspace-Id": workspace}
    return {"apiKey": store, "bearer": user, "operatorToken": ADMIN, "workspace": acting}


async def _send(
    door: httpx.AsyncClient,
    path: str,
    method: str,
    operation: Document,
    credentials: Mapping[str, Mapping[str, str]],
) -> httpx.Response:
    scheme = next(iter(operation["security"][0]), "") if operation["security"] else ""
    headers = dict(credentials.get("workspace" if path.startswith("/api/ai/") else scheme, {}))
    for parameter in operation["parameters"]:
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", parameter["example"])
        if parameter["name"] == "onmodel" and method == "post":
            path += "?onmodel"
    more = UNKNOWN_MODEL if path.startswith(("/v1/images/", "/v1/audio/")) else {}
    media = operation.get("requestBody", {}).get("content", {})
    if "application/json" in media:
        return await door.request(method, path, headers=headers, json=media["application/json"]["example"] | more)
    files = {"image": ("a.png", b"no picture", "image/png")} if media else None
    return await door.request(method, path, headers=headers, files=files, data=more if media else None)
