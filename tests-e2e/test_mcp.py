"""Stock clients of the Model Context Protocol make a picture while their connection is cut twenty times: one charge.

``ATELIER_MCP_RENDER_S=300`` makes the render take five minutes instead of seconds; the cuts are spread over it.
"""

import asyncio
import json
import os
import re
import sys
from base64 import b64decode
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from PIL import Image

from atelier_local.api_client.api_models import Store
from whole_system import packages
from whole_system.faulty_proxy import FaultyProxy
from whole_system.replicas import replica
from whole_system.world import World

RENDER_S = float(os.environ.get("ATELIER_MCP_RENDER_S", "8"))
PRICE = 3
PAUSE = f"cut after {RENDER_S / 20:.2f} s"
FAULTS = {
    "quote_generation": ["lose"],
    "create_generation": ["", "lose", "cut", "lose"],  # the first is the one without a limit
    "get_result": ["cut", *[PAUSE] * 13],
    "get_receipt": ["lose", "cut"],
}
"""What each tool's calls meet: some are cut before the gateway has the request, some in the midst of it, some when it
has answered. The generation is made once though its first answer is lost, and most cuts fall into its render."""
CUTS = 20
CLIENTS = {
    "python, 2025-11-25": ("python", "legacy"),
    "python, 2026-07-28": ("python", "auto"),
    "typescript, 2025-11-25": ("node", "sdk"),
    "typescript, 2026-07-28": ("node", "client"),
}


@dataclass(frozen=True)
class Journey:
    """What one client went through."""

    store: Store
    faults: dict[str, list[str]]
    """Those that its calls met, by tool."""
    said: dict[str, Any]


@pytest.fixture(scope="module")
async def journeys(world: World, request: pytest.FixtureRequest) -> AsyncIterator[Mapping[str, asyncio.Task[Journey]]]:
    """Every client under way at once: they mostly wait. Each has two gateways behind a balancer that cuts
    connections."""
    asked = {
        item.callspec.params["client"] for item in request.session.items
        if hasattr(item, "callspec") and item.path == Path(__file__)
    }  # fmt: skip
    async with replica(world.stack, "gateway") as second:
        tasks = {client: asyncio.create_task(_travel(world, second.url, client)) for client in sorted(asked)}
        yield tasks
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)


@pytest.mark.timeout(300 + 2 * RENDER_S)
@pytest.mark.parametrize("client", CLIENTS)
async def test_a_stock_client_cut_off_twenty_times_has_one_picture_and_one_charge(
    world: World, journeys: Mapping[str, asyncio.Task[Journey]], client: str
) -> None:
    journey = await journeys[client]

    store, said = journey.store, journey.said
    assert journey.faults == {tool: [fault for fault in faults if fault] for tool, faults in FAULTS.items()}
    assert sum(map(len, journey.faults.values())) == CUTS
    assert said["lost"] > CUTS // 4  # a call may be cut more than once: its client tries again by itself
    assert said["unlimited"]["isError"] is True
    assert "a spend limit is required; nothing was started or charged" in said["unlimited"]["text"]
    assert (said["credits"], said["captured"], said["isError"]) == (PRICE, PRICE, False)
    assert said["picture"]["mimeType"] == "image/png"
    assert Image.open(BytesIO(b64decode(said["picture"]["data"]))).size == (256, 256)
    assert client.endswith(said["revision"])
    generations = await world.databases["gateway"].fetch(
        "SELECT id FROM generations WHERE owner_id = $1", UUID(store.id)
    )
    assert [str(row["id"]) for row in generations] == [said["id"]]
    balance = await world.admin.balance("store", store.id)
    assert (balance.captured, balance.held, balance.available) == (PRICE, 0, 9 * PRICE)


async def test_the_python_of_the_docs_runs_as_printed(world: World, tmp_path: Path) -> None:
    store = await world.admin.create_store("agents")
    await world.admin.grant("store", store.id, 10, reason="test")
    [block] = re.findall(r"```python\n(.*?)```", (packages.ROOT / "docs/surfaces/mcp.md").read_text(), re.DOTALL)
    (tmp_path / "agent.py").write_text(block)
    known = os.environ | {"ATELIER_URL": world.url, "ATELIER_KEY": store.api_key, "NO_PROXY": "127.0.0.1"}

    done = await asyncio.to_thread(packages.run, [sys.executable, tmp_path / "agent.py"], tmp_path, known, 120)

    assert done.stdout == f"succeeded {PRICE}\n"
    assert (tmp_path / "bicycle.png").read_bytes().startswith(b"\x89PNG")


async def _travel(world: World, other_url: str, client: str) -> Journey:
    store = await world.admin.create_store("agents")
    await world.admin.grant("store", store.id, 10 * PRICE, reason="test")
    async with FaultyProxy.run(world.url, other_url) as balanced:
        balanced.faults |= {f"/mcp {tool}": list(faults) for tool, faults in FAULTS.items()}
        said = await _run_client(client, f"{balanced.url}/mcp", store.api_key)
    met: dict[str, list[str]] = {}
    for request, how in balanced.requests:
        if not how.isdigit():
            met.setdefault(request.tool, []).append(how)
    return Journey(store, met, said)


async def _run_client(client: str, url: str, key: str) -> dict[str, Any]:
    """What the client's program printed."""
    language, which = CLIENTS[client]
    simulate = f"outcome=succeed, delay_ms={int(RENDER_S * 1_000)}"
    arguments = (which, url, key, simulate, str(uuid4()))
    within_s = 120 + 2 * RENDER_S
    if language == "node":
        folder = await asyncio.to_thread(packages.node_packages, "mcp")
        printed = await asyncio.to_thread(packages.node, "picture.mjs", *arguments, cwd=folder, within_s=within_s)
    else:
        command: list[str | Path] = [sys.executable, packages.CLIENTS / "mcp" / "picture.py", *arguments]
        done = await asyncio.to_thread(packages.run, command, packages.CLIENTS / "mcp", dict(os.environ), within_s)
        printed = done.stdout
    said: dict[str, Any] = json.loads(printed)
    return said
