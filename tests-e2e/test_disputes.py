"""A dispute on a running system: the credits are back, in the log, in a second receipt that verifies offline. The
system is this file's own: its objects are broken on purpose."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from atelier_local.launcher.stack import Stack
from atelier_storage.objects import ObjectStore
from atelier_storage.settings import StorageSettings
from whole_system.own_stack import own_stack
from whole_system.reconcile_site import run_command
from whole_system.waits import NotYet, eventually
from whole_system.world import World

SCRIPT = Path(__file__).parents[1] / "docs/verify/verify_receipt.py"
IMAGE = {"kind": "image", "prompt": "a red bicycle", "size": "256x256", "n": 2}
PRICE = 3


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with own_stack("disputes", {"ATELIER_DISPUTES": "review", "RATE_LIMIT_ENABLED": "false"}) as running:
        yield running


@pytest.fixture(scope="module")
async def world(stack: Stack) -> AsyncIterator[World]:
    async with World.of(stack) as opened:
        yield opened


@pytest.fixture(scope="module")
async def shopper(world: World) -> AsyncIterator[httpx.AsyncClient]:
    made = await world.admin.create_store("Dispute boutique")
    await world.admin.grant("store", made.id, 1_000, reason="test")
    headers = {"X-API-Key": made.api_key}
    async with httpx.AsyncClient(base_url=world.url, headers=headers, timeout=60, trust_env=False) as client:
        yield client


async def generate(shopper: httpx.AsyncClient) -> dict[str, Any]:
    made: dict[str, Any] = (await shopper.post("/v1/generations", json=IMAGE, headers={"Prefer": "wait=30"})).json()
    assert made["status"] == "succeeded", made
    return made


def objects_of(world: World) -> ObjectStore:
    known = world.stack.environment()
    names = ("endpoint", "access_key", "secret_key", "bucket")
    return ObjectStore(StorageSettings.model_validate({name: known[f"ATELIER_S3_{name.upper()}"] for name in names}))


def verify(folder: Path) -> tuple[int, str]:
    options = ("--keys", "jwks.json", "receipt.json", "--proof", "proof.json", "--checkpoint", "checkpoint.txt")
    command = [sys.executable, "-I", str(SCRIPT), *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


async def available(shopper: httpx.AsyncClient) -> int:
    return int((await shopper.get("/v1/credits")).json()["available"])


async def test_a_lost_output_is_refunded_within_a_second_and_the_second_receipt_proves_it(
    world: World, shopper: httpx.AsyncClient, tmp_path: Path
) -> None:
    made = await generate(shopper)
    first = (await shopper.get(f"/v1/generations/{made['id']}/receipt")).json()["signed"]["receipt"]
    charged = await available(shopper)
    objects = objects_of(world)
    await objects.remove(made["outputs"][1]["key"])
    objects.close()

    answer = await shopper.post(f"/v1/generations/{made['id']}/disputes", json={"reason": "does_not_open"})

    done = answer.json()
    assert (answer.status_code, done["status"], done["credits"]) == (201, "refunded", PRICE), done
    assert await available(shopper) == charged + PRICE

    async def second_receipt() -> dict[str, Any] | NotYet:
        receipt: dict[str, Any] = (await shopper.get(f"/v1/generations/{made['id']}/receipt")).json()
        if receipt["signed"]["receipt"]["number"] < 2:
            return NotYet(receipt["signed"]["receipt"]["number"])
        return receipt

    receipt = await eventually(second_receipt, within_s=30)
    assert (first["credits"]["returned"], receipt["signed"]["receipt"]["credits"]["returned"]) == (0, PRICE)

    async def proof() -> dict[str, Any] | NotYet:
        answer = await shopper.get(f"/v1/log/entries/{receipt['signed']['receipt']['id']}/inclusion")
        if answer.status_code != 200:
            return NotYet(answer.text)
        found: dict[str, Any] = answer.json()
        return found

    found = await eventually(proof, within_s=30)
    (tmp_path / "receipt.json").write_text(json.dumps(receipt))
    (tmp_path / "proof.json").write_text(json.dumps(found))
    (tmp_path / "checkpoint.txt").write_text(found["checkpoint"])
    (tmp_path / "jwks.json").write_text((await shopper.get("/.well-known/jwks.json")).text)
    status, output = verify(tmp_path)
    assert status == 0, output


async def test_an_operator_decides_what_is_left_to_them_at_the_terminal(
    world: World, shopper: httpx.AsyncClient
) -> None:
    made = await generate(shopper)
    body = {"reason": "poor_quality", "text": "It has three wheels.", "outputs": [0]}
    opened = (await shopper.post(f"/v1/generations/{made['id']}/disputes", json=body)).json()

    listed = await run_command(world, "disputes", "list", "--status", "review")
    shown = await run_command(world, "disputes", "show", opened["id"])
    decided = await run_command(world, "disputes", "decide", opened["id"], "refund", "--reason", "three wheels")
    again = await run_command(world, "disputes", "decide", opened["id"], "decline", "--reason", "two wheels")

    assert opened["status"] == "review" and opened["id"] in listed.output
    assert "three wheels" in shown.output and "not_blank" in shown.output
    assert (decided.exit_code, f"{PRICE} credits" in decided.output) == (0, True), decided.output
    assert again.exit_code != 0 and "decision" in again.output
