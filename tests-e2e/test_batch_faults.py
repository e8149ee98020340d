"""Batches of the running system: by the stock clients, and under kill -9 of every service."""

import asyncio
import json
from typing import Any

import pytest

from chaos import batches
from whole_system import packages
from whole_system.shops import open_shop, open_store, read_books
from whole_system.waits import NotYet, eventually
from whole_system.world import World

ENDED = ("completed", "failed", "expired", "cancelled")
ROWS = 200


def lines(number: int, *, banned: int = 0) -> bytes:
    """An input file of OpenAI's shape; the prompts of the first ``banned`` are against the content rules."""
    found: list[dict[str, Any]] = [
        {
            "custom_id": f"line-{index}",
            "method": "POST",
            "url": "/v1/images/generations",
            "body": {
                "model": "dall-e-2",
                "size": "256x256",
                "prompt": "unspeakable" if index < banned else "a red bicycle",
            },
        }
        for index in range(number)
    ]
    return b"".join(json.dumps(line).encode() + b"\n" for line in found)


async def test_the_stock_python_client_runs_a_batch_and_pays_for_what_was_delivered(world: World) -> None:
    async with open_shop(world, 12) as (owner, client):
        file = await client.files.create(file=("lines.jsonl", lines(4, banned=1)), purpose="batch")
        made = await client.batches.create(
            input_file_id=file.id, endpoint="/v1/images/generations", completion_window="24h"
        )

        async def find_end() -> Any:
            now = await client.batches.retrieve(made.id)
            return now if now.status in ENDED else NotYet(now.status)

        done = await eventually(find_end)
        output = (await client.files.content(done.output_file_id)).text.splitlines()
        errors = (await client.files.content(done.error_file_id)).text.splitlines()

    assert (done.status, done.request_counts.completed, done.request_counts.failed) == ("completed", 3, 1)
    assert len(output) == 3 and json.loads(output[0])["response"]["body"]["data"][0]["url"]
    assert json.loads(errors[0])["response"]["body"]["error"]["code"] == "content_policy_violation"
    available, held, captured = await read_books(world, owner)
    assert (available + captured, held) == (12, 0) and captured == sum(
        json.loads(line)["response"]["body"]["usage"]["credits"] for line in output
    )


async def test_the_stock_node_client_runs_a_batch(world: World) -> None:
    owner, key = await open_store(world, 6)
    order = {"url": world.url, "photo": "package.json", "keys": {"batch": key}}

    folder = packages.node_packages("node")
    said = json.loads(await asyncio.to_thread(packages.node, "openai-batches.mjs", json.dumps(order), cwd=folder))

    made = said["batch"]["made"]
    assert (made["status"], made["counts"]) == ("completed", {"total": 2, "completed": 2, "failed": 0})
    assert made["lines"] == ["line-0", "line-1"] and made["deleted"] is True
    assert (await read_books(world, owner))[1] == 0


@pytest.mark.timeout(400)
async def test_a_batch_whose_services_are_all_killed_on_the_way_is_captured_for_exactly_the_delivered_rows(
    world: World,
) -> None:
    report = await batches.run(world, ROWS, kills=(0.3, 0.6))

    assert report.wrong == []
    assert (report.delivered, report.kills) == (190, 2)
