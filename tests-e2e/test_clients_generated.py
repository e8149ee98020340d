"""Clients that stock generators make of the served OpenAPI documents: generated without a warning, each asks the
running system for a picture, follows it to its end and reads its receipt. A linter finds no error in the documents."""

import asyncio
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from whole_system import packages
from whole_system.waits import eventually
from whole_system.world import World

REDOCLY = "node_modules/@redocly/cli/bin/cli.js"
TYPESCRIPT_GENERATOR = "node_modules/openapi-typescript/bin/cli.js"
TSC = "node_modules/typescript/bin/tsc"
PYTHON_GENERATOR = Path(sys.executable).with_name("openapi-python-client")
PYTHON_PACKAGE = "generated_atelier_client"
LISTENERS = ("public", "operations")
GRANTED = 50
COST = 3


@pytest.mark.parametrize("listener", LISTENERS)
async def test_the_linter_has_no_error_and_no_warning_in_the_served_document(world: World, listener: str) -> None:
    folder = await asyncio.to_thread(packages.node_packages, "openapi")
    file = await _save(world, listener, folder)

    printed = await asyncio.to_thread(
        packages.node, REDOCLY, "lint", str(file), "--config", "redocly.yaml", "--format", "json", cwd=folder
    )

    report = json.loads(printed)
    assert report["problems"] == []
    assert report["totals"] == {"errors": 0, "warnings": 0, "ignored": 0}


async def test_a_typescript_client_compiles_creates_a_picture_follows_it_and_reads_its_receipt(world: World) -> None:
    folder = await asyncio.to_thread(packages.node_packages, "openapi")
    store = await world.admin.create_store("typescript")
    await world.admin.grant("store", store.id, GRANTED, reason="test")

    for listener in LISTENERS:
        file = await _save(world, listener, folder)
        types = "api.d.ts" if listener == "public" else "operations.d.ts"
        options = (str(file), "--output", types, "--default-non-nullable", "false")
        generated = await asyncio.to_thread(packages.node_log, TYPESCRIPT_GENERATOR, *options, cwd=folder)
        assert "warn" not in generated.lower(), generated
    await asyncio.to_thread(packages.node, TSC, "--project", "tsconfig.json", cwd=folder)
    printed = await asyncio.to_thread(packages.node, "journey.ts", world.url, store.api_key, cwd=folder)

    journey = json.loads(printed)
    assert (journey["status"], journey["outputs"], journey["replayed"]) == ("succeeded", 1, "true")
    assert journey["credits"] == {"reserved": COST, "captured": COST, "refunded": 0, "returned": 0}
    _assert_receipt(journey["receipt"], journey["id"])
    assert (journey["unknown"], journey["lastEvent"]) == ("not_found", "succeeded")
    assert (await world.admin.balance("store", store.id)).captured == COST


async def test_a_python_client_creates_a_picture_follows_it_and_reads_its_receipt(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for listener in LISTENERS:
        name = PYTHON_PACKAGE if listener == "public" else "operations_client"
        printed = await asyncio.to_thread(_generate_python, await _save(world, listener, tmp_path), tmp_path / name)
        assert "warning" not in printed.lower(), printed
    monkeypatch.syspath_prepend(tmp_path)
    store = await world.admin.create_store("python")
    await world.admin.grant("store", store.id, GRANTED, reason="test")
    package, models = importlib.import_module(PYTHON_PACKAGE), importlib.import_module(f"{PYTHON_PACKAGE}.models")
    client = package.AuthenticatedClient(base_url=world.url, token=store.api_key, httpx_args={"trust_env": False})

    def call(operation: str) -> Any:
        return importlib.import_module(f"{PYTHON_PACKAGE}.api.generations.{operation}").asyncio

    body = models.GenerationRequest(kind=models.GenerationRequestKind.IMAGE, prompt="a red bicycle", size="256x256")
    created = await call("create_generation")(client=client, body=body, x_atelier_simulate="outcome=succeed")

    async def find_end() -> Any:
        found = await call("get_generation")(created.id, client=client)
        return found if str(found.status) not in ("queued", "rendering") else None

    ended = await eventually(find_end)
    receipt = await call("get_receipt")(str(created.id), client=client)

    assert (str(ended.status), len(ended.outputs), ended.credits_.captured) == ("succeeded", 1, COST)
    _assert_receipt(receipt.to_dict(), str(created.id))
    assert (await world.admin.balance("store", store.id)).captured == COST


@pytest.fixture(autouse=True)
def _forget_imports() -> Iterator[None]:
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == PYTHON_PACKAGE]:
        del sys.modules[name]


def _assert_receipt(receipt: dict[str, Any], id_: str) -> None:
    assert (receipt["generation_id"], receipt["status"]) == (id_, "succeeded")
    assert receipt["credits"] == {"reserved": COST, "captured": COST, "refunded": 0, "returned": 0}
    moves = [(entry["kind"], entry["debit"], entry["credit"], entry["credits"]) for entry in receipt["entries"]]
    assert moves == [("reserve", "available", "held", COST), ("capture", "held", "captured", COST)]


async def _save(world: World, listener: str, folder: Path) -> Path:
    """The document as the listener serves it, as a file."""
    url = world.url if listener == "public" else world.operations_url
    async with httpx.AsyncClient(trust_env=False) as client:
        document = (await client.get(f"{url}/openapi.json")).raise_for_status().text
    file = folder / f"{listener}.json"
    await asyncio.to_thread(file.write_text, document)
    return file


def _generate_python(document: Path, folder: Path) -> str:
    """Writes the client's package; what the generator printed."""
    options = ("--path", str(document), "--output-path", str(folder), "--meta", "none")
    path = f"{PYTHON_GENERATOR.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(
        [PYTHON_GENERATOR, "generate", *options],
        capture_output=True,
        text=True,
        timeout=100,
        env=os.environ | {"PATH": path},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
