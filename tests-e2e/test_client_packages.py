"""The client packages, built and installed as their users install them, do one file of scenarios against the running
system, through a proxy that refuses, cuts and loses requests."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from atelier_local.demo import photos as demo_photos
from whole_system import browser, built_clients, packages
from whole_system.faulty_proxy import FaultyProxy
from whole_system.waits import becomes
from whole_system.world import World

SCENARIOS: Mapping[str, list[dict[str, Any]]] = json.loads((built_clients.SDK / "scenarios.json").read_text())
CLIENT_NAMES = ("python, blocking", "python, awaiting", "node", "browser")
SHOP = "boutique.localhost"
GRANTED = 20
COST = 3


@pytest.mark.parametrize("client", CLIENT_NAMES)
@pytest.mark.parametrize("name", SCENARIOS)
async def test_every_client_does_what_the_scenarios_say(
    world: World, proxy: FaultyProxy, photos: Path, tmp_path: Path, client: str, name: str
) -> None:
    store = await world.admin.create_store("sdk")
    await world.admin.grant("store", store.id, GRANTED, reason="test")
    month = f"{datetime.now(UTC):%Y-%m}"
    job = {"url": proxy.url, "key": store.api_key, "files": str(photos), "steps": SCENARIOS[name], "month": month}

    given = await run_scenario(client, job, tmp_path)

    named: dict[str, Any] = {}
    for step, result in zip(SCENARIOS[name], given, strict=True):
        named[step.get("as", "")] = result
        if "expect" in step:
            assert shown(result, filled(step["expect"], named)) == filled(step["expect"], named), step


async def test_the_client_in_a_page_spends_what_its_client_token_lets_it_and_no_more(
    world: World, proxy: FaultyProxy, photos: Path, tmp_path: Path
) -> None:
    store = await world.admin.create_store("boutique")
    await world.admin.grant("store", store.id, GRANTED, reason="test")
    body = {"credits": COST, "origins": [f"http://{SHOP}"], "kinds": ["image"]}
    async with httpx.AsyncClient(base_url=world.url, headers={"X-API-Key": store.api_key}) as http:
        token = (await http.post("/v1/client-tokens", json=body)).json()
    request = {"kind": "image", "prompt": "a red bicycle", "size": "256x256"}
    steps: list[dict[str, Any]] = [
        {"do": "faults", "with": {"path": "/v1/generations", "faults": ["503", "cut", "lose"]}},
        {"do": "create", "with": request, "simulate": "outcome=succeed", "as": "created"},
        {"do": "wait", "of": "$created.id", "as": "ended"},
        {"do": "download", "of": "$ended.outputs.0"},
        {"do": "receipt", "of": "$created.id"},
        {"do": "create", "with": request},
    ]
    job = {"url": proxy.url, "key": token["token"], "files": str(photos), "steps": steps}
    (tmp_path / "job.json").write_text(json.dumps(job))

    _, created, ended, downloaded, receipt, refused = await _in_browser(tmp_path, host=SHOP)

    assert (created["status"], ended["status"]) == ("queued", "succeeded")
    assert downloaded["checksum"] == ended["outputs"][0]["checksum"]
    assert (receipt["generation_id"], receipt["credits"]["captured"]) == (created["id"], COST)
    assert refused["status"] == 402, refused
    assert (await world.admin.balance("store", store.id)).captured == COST


@pytest.mark.parametrize("client", ["python, blocking", "node"])
async def test_a_client_killed_in_mid_wait_goes_on_after_its_restart_with_one_generation_and_one_charge(
    world: World, proxy: FaultyProxy, tmp_path: Path, client: str
) -> None:
    store = await world.admin.create_store("sdk")
    await world.admin.grant("store", store.id, GRANTED, reason="test")
    request = {"kind": "image", "prompt": "a red bicycle", "size": "256x256"}
    simulate = "outcome=succeed, delay_ms=5000"
    steps: list[dict[str, Any]] = [
        {"do": "create", "with": request, "key": "order-4711", "simulate": simulate, "as": "created"},
        {"do": "wait", "of": "$created.id"},
        {"do": "list", "with": {"page_size": 5}},
    ]
    job = {"url": proxy.url, "key": store.api_key, "steps": steps, "files": str(tmp_path)}
    (tmp_path / "job.json").write_text(json.dumps(job))
    command, folder = await asyncio.to_thread(command_of, client, tmp_path)

    async def is_waiting() -> bool:
        return any(request.path.endswith("/events") for request in proxy.begun)

    killed = await asyncio.create_subprocess_exec(*command, cwd=folder)
    await becomes(True, is_waiting)
    killed.kill()
    await killed.wait()
    created, ended, listed = await run_scenario(client, job, tmp_path)

    assert (ended["status"], ended["id"]) == ("succeeded", created["id"])
    assert [generation["id"] for generation in listed] == [created["id"]]
    assert (await world.admin.balance("store", store.id)).captured == COST


async def test_the_lines_of_the_python_readme_run_as_printed(world: World, photos: Path, tmp_path: Path) -> None:
    store = await world.admin.create_store("readme")
    await world.admin.grant("store", store.id, GRANTED, reason="test")
    interpreter = await asyncio.to_thread(built_clients.python_client)
    for name, printed in (("person.png", "person.png"), ("garment.jpg", "shirt.jpg")):
        (tmp_path / printed).write_bytes((photos / name).read_bytes())
    blocks = re.findall(r"```python\n(.*?)```", (built_clients.PYTHON / "README.md").read_text(), re.DOTALL)
    known = {"ATELIER_URL": world.url, "ATELIER_KEY": store.api_key, "NO_PROXY": "127.0.0.1"}

    said = []
    for number, block in enumerate(blocks):
        script = tmp_path / f"block_{number}.py"
        script.write_text(block)
        said.append(await asyncio.to_thread(packages.python, interpreter, str(script), cwd=tmp_path, **known))

    first, second, uploaded, listed, refused, receipt, webhook, minted = said
    assert minted == "atc_ {'cap': 20, 'used': 0, 'left': 20}\n"
    assert first.startswith("succeeded {'reserved': 5, 'captured': 5, 'refunded': 0")
    assert (tmp_path / "bicycle.png").read_bytes().startswith(b"\x89PNG")
    assert second.splitlines()[-1] == "succeeded 100"
    assert uploaded == "succeeded\n"
    assert len(listed.splitlines()) == 3
    assert refused.endswith("credits are needed, there are 9\n")
    assert receipt == "succeeded 1\n"
    assert webhook == ""


async def test_the_lines_of_the_typescript_readme_compile_and_run_as_printed(
    world: World, photos: Path, tmp_path: Path
) -> None:
    store = await world.admin.create_store("readme")
    await world.admin.grant("store", store.id, GRANTED, reason="test")
    installed = await asyncio.to_thread(built_clients.typescript_client)
    for name, printed in (("person.png", "person.png"), ("garment.jpg", "shirt.jpg")):
        (installed / printed).write_bytes((photos / name).read_bytes())
    blocks = re.findall(r"```ts\n(.*?)```", (built_clients.TYPESCRIPT / "README.md").read_text(), re.DOTALL)
    known: dict[str, Any] = {"ATELIER_URL": world.url, "ATELIER_KEY": store.api_key}

    scripts = built_clients.compile_scripts(installed, blocks)
    said = [await asyncio.to_thread(packages.node, script, cwd=installed, **known) for script in scripts]

    first, second, uploaded, listed, refused, receipt, webhook, minted = said
    assert minted == "atc_ { cap: 20, used: 0, left: 20 }\n"
    assert first.startswith("succeeded { reserved: 5, captured: 5, refunded: 0")
    assert (installed / "bicycle.png").read_bytes().startswith(b"\x89PNG")
    assert second.splitlines()[-1] == "succeeded 100"
    assert uploaded == "succeeded\n"
    assert len(listed.splitlines()) == 3
    assert refused.endswith("credits are needed, there are 9\n")
    assert receipt == "succeeded 1\n"
    assert webhook == ""


@pytest.fixture
async def proxy(world: World) -> AsyncIterator[FaultyProxy]:
    async with FaultyProxy.run(world.url) as running:
        yield running


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a person and a garment."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "person.png").write_bytes(demo_photos.person_photo())
    (folder / "garment.jpg").write_bytes(demo_photos.garment_photo())
    return folder


async def run_scenario(client: str, job: dict[str, Any], folder: Path) -> list[Any]:
    """What each step gave."""
    (folder / "job.json").write_text(json.dumps(job))
    return list(await CLIENTS[client](folder))


def command_of(client: str, folder: Path) -> tuple[list[str], Path]:
    """What does the job of this folder as a process, and where it runs."""
    job = str(folder / "job.json")
    if client == "node":
        return [str(packages.NODE / "bin" / "node"), "node.mjs", job], built_clients.typescript_client()
    how = client.removeprefix("python, ")
    return [str(built_clients.python_client()), str(built_clients.SDK / "runner.py"), how, job], folder


async def _in_python(how: str, folder: Path) -> Any:
    interpreter = await asyncio.to_thread(built_clients.python_client)
    arguments = (str(built_clients.SDK / "runner.py"), how, str(folder / "job.json"))
    return json.loads(await asyncio.to_thread(packages.python, interpreter, *arguments, cwd=folder))


async def _in_node(folder: Path) -> Any:
    installed = await asyncio.to_thread(built_clients.typescript_client)
    return json.loads(await asyncio.to_thread(packages.node, "node.mjs", str(folder / "job.json"), cwd=installed))


async def _in_browser(folder: Path, host: str = browser.HOST) -> Any:
    installed = await asyncio.to_thread(built_clients.typescript_client)
    files = Path(json.loads((folder / "job.json").read_text())["files"])
    folders = {"files": files, "job.json": folder / "job.json"}
    given = await browser.result_of_page("page.html", installed, folders, host=host)
    assert isinstance(given, list), given
    return given


CLIENTS: Mapping[str, Callable[[Path], Awaitable[Any]]] = {
    "python, blocking": partial(_in_python, "blocking"),
    "python, awaiting": partial(_in_python, "awaiting"),
    "node": _in_node,
    "browser": _in_browser,
}


def shown(result: Any, expected: Any) -> Any:
    """The result, cut down to the members that are expected."""
    if isinstance(expected, dict) and isinstance(result, dict):
        return {name: shown(result[name], value) for name, value in expected.items() if name in result}
    if isinstance(expected, list) and isinstance(result, list) and len(expected) == len(result):
        return [shown(item, wanted) for item, wanted in zip(result, expected, strict=True)]
    return result


def filled(expected: Any, named: Mapping[str, Any]) -> Any:
    """The same with each ``$name.path`` replaced by what an earlier step gave."""
    if isinstance(expected, dict):
        return {name: filled(value, named) for name, value in expected.items()}
    if isinstance(expected, list):
        return [filled(value, named) for value in expected]
    if isinstance(expected, str) and expected.startswith("$"):
        value: Any = named
        for part in expected[1:].split("."):
            value = value[int(part) if isinstance(value, list) else part]
        return value
    return expected
