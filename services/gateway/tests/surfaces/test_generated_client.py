"""A client that a stock generator makes of the served OpenAPI document works: creates, views, cancels, receipts."""

import asyncio
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from atelier_gateway.surfaces.openapi_document import finish

from ..support.world import World

PACKAGE = "generated_atelier_client"
GENERATOR = Path(sys.executable).with_name("openapi-python-client")


@pytest.mark.stack
async def test_the_stock_generator_drops_nothing_of_either_document(world: World, tmp_path: Path) -> None:
    for name, door in (("public", world.public), ("operations", world.operations)):
        document = (await door.get("/openapi.json")).json()
        printed = await asyncio.to_thread(generate, document, tmp_path / name)

        operations = [operation for path in document["paths"].values() for operation in path.values()]
        assert "arning" not in printed, printed
        assert sum(1 for _ in (tmp_path / name / "api").glob("*/*.py")) >= len(operations)


@pytest.mark.stack
async def test_a_generated_client_makes_looks_lists_cancels_and_reads_the_receipt(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, headers = await world.store()
    document = (await world.public.get("/openapi.json")).json()
    await asyncio.to_thread(generate, document, tmp_path / PACKAGE)  # the gateway's heartbeats go on meanwhile
    monkeypatch.syspath_prepend(tmp_path)
    package, api = importlib.import_module(PACKAGE), f"{PACKAGE}.api.generations"
    models = importlib.import_module(f"{PACKAGE}.models")
    client = package.AuthenticatedClient(
        base_url="http://gateway",
        token=headers["X-API-Key"],
        httpx_args={"transport": world.public._transport},
    )

    def call(name: str) -> Any:
        return importlib.import_module(f"{api}.{name}").asyncio

    body = models.CreateGeneration(kind=models.CreateGenerationKind.IMAGE, prompt="a red bicycle", size="256x256")
    made = await call("create_v1_generations_post")(client=client, body=body, idempotency_key="k1")
    again = await call("create_v1_generations_post")(client=client, body=body, idempotency_key="k1")
    found = await call("get_v1_generations_id_get")(made.id, client=client)
    listed = await call("list_v1_generations_get")(client=client)
    receipt = await call("get_receipt_v1_generations_id_receipt_get")(str(made.id), client=client)
    stopped = await call("cancel_v1_generations_id_cancel_post")(str(made.id), client=client)
    unknown = await call("get_v1_generations_id_get")("nothing", client=client)

    assert made.id == again.id == found.id == listed.data[0].id == receipt.generation_id == stopped.id
    assert (found.prompt, found.size, str(found.kind)) == ("a red bicycle", "256x256", "image")
    assert (unknown.status, unknown.code) == (404, "not_found")


@pytest.fixture(autouse=True)
def _imports_forgotten() -> Iterator[None]:
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
        del sys.modules[name]


def generate(document: dict[str, Any], folder: Path) -> str:
    """Writes the client's package; what the generator printed."""
    source = folder.with_suffix(".json")
    source.write_text(json.dumps(document))
    command = [str(one) for one in (GENERATOR, "generate", "--path", source, "--output-path", folder, "--meta", "none")]
    path = f"{GENERATOR.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=os.environ | {"PATH": path})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.stack
async def test_the_document_tells_credentials_servers_and_every_header_that_is_read(world: World) -> None:
    document = (await world.public.get("/openapi.json")).json()

    assert document["servers"] == [{"url": "http://127.0.0.1:8000"}]
    assert {scheme["type"] for scheme in document["components"]["securitySchemes"].values()} == {"http", "apiKey"}
    assert document["security"] and not document["paths"]["/problems/{code}"]["get"]["security"]
    headers = {
        (method, path): {one["name"] for one in operation.get("parameters", []) if one["in"] == "header"}
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    for path in ("", "/receipt", "/explain", "/events"):
        assert "X-Workspace-Id" in headers["get", "/v1/generations/{id}" + path]
    assert "X-Workspace-Id" in headers["delete", "/v1/generations/{id}"]
    for path in ("/api/v1/generation/create", "/api/stories", "/api/story-generations", "/api/generate"):
        assert "Idempotency-Key" in headers["post", path]
    creates = ("/v1/generations", "/v1/images/edits", "/v1/generate", "/api/v1/generation/create", "/api/ai/images")
    assert all("X-Atelier-Simulate" in headers["post", path] for path in creates)
    assert all("Prefer" in headers["post", path] for path in ("/v1/generations", "/v1/generate", "/api/ai/images"))


@pytest.mark.stack
async def test_titles_are_unique_problems_are_one_component_and_switches_are_plain(world: World) -> None:
    text = (await world.public.get("/openapi.json")).text
    document = json.loads(text)
    schemas = document["components"]["schemas"]

    assert [name for name, schema in schemas.items() if schema["title"] != name] == []
    assert not [name for name in schemas if "__" in name]
    assert text.count('"title":"ProblemView"') == 1
    stream = schemas["GenerateImages"]["properties"]["stream"]
    assert [choice["type"] for choice in stream["anyOf"]] == ["boolean", "null"]


def test_equal_inline_objects_become_one_component_and_others_of_that_title_their_own() -> None:
    def inline(kind: str) -> dict[str, Any]:
        return {"type": "object", "title": "Options", "properties": {"a": {"type": kind}}}

    kinds = ("string", "string", "integer")
    paths = {f"/{i}": {"post": {"responses": {"200": {"x": inline(kind)}}}} for i, kind in enumerate(kinds)}

    document = finish({"paths": paths})

    names = [path["post"]["responses"]["200"]["x"]["$ref"].rsplit("/", 1)[-1] for path in document["paths"].values()]
    assert names == ["Options", "Options", "Options2"]
    assert {name: schema["title"] for name, schema in document["components"]["schemas"].items()} == {
        "Options": "Options",
        "Options2": "Options2",
    }


def test_a_name_made_of_a_module_path_becomes_one_of_its_surface() -> None:
    schemas = {
        "atelier_gateway__surfaces__native__docs__Credits": {"type": "object", "title": "Credits", "properties": {}},
        "Page": {"$ref": "#/components/schemas/atelier_gateway__surfaces__native__docs__Credits"},
    }

    document = finish({"paths": {}, "components": {"schemas": schemas}})

    assert set(document["components"]["schemas"]) == {"NativeCredits", "Page"}
    assert document["components"]["schemas"]["Page"]["$ref"] == "#/components/schemas/NativeCredits"
