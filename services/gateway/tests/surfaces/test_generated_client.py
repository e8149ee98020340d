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

    body = models.GenerationRequest(kind=models.GenerationRequestKind.IMAGE, prompt="a red bicycle", size="256x256")
    made = await call("create_generation")(client=client, body=body, idempotency_key="k1")
    again = await call("create_generation")(client=client, body=body, idempotency_key="k1")
    found = await call("get_generation")(made.id, client=client)
    listed = await call("list_generations")(client=client)
    receipt = await call("get_receipt")(str(made.id), client=client)
    stopped = await call("cancel_generation")(str(made.id), client=client)
    unknown = await call("get_generation")("nothing", client=client)

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
    command = [
        str(word) for word in (GENERATOR, "generate", "--path", source, "--output-path", folder, "--meta", "none")
    ]
    path = f"{GENERATOR.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=os.environ | {"PATH": path})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
