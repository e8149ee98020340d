"""A receipt leaves the house: read through the API, verified by the script in a bare process, without the network."""

import asyncio
import copy
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from whole_system import built_clients, packages
from whole_system.waits import NotYet, eventually
from whole_system.world import World

PYTHON = """
import json
from pathlib import Path
from atelier_client import ReceiptVerificationError, verify_receipt

keys = json.loads(Path("jwks.json").read_text())

def judge(answer):
    try:
        return verify_receipt(answer, keys)["outcome"]
    except ReceiptVerificationError as error:
        return str(error)

print(json.dumps([judge(answer) for answer in json.loads(Path("answers.json").read_text())]))
"""
NODE = """
import { readFileSync } from "node:fs";
import { ReceiptVerificationError, verifyReceipt } from "@atelier/client";

const [folder] = process.argv.slice(2);
const read = (name) => JSON.parse(readFileSync(`${folder}/${name}`, "utf8"));
const judge = async (answer) => {
  try {
    return (await verifyReceipt(answer, read("jwks.json"))).outcome;
  } catch (error) {
    if (error instanceof ReceiptVerificationError) return error.message;
    throw error;
  }
};
console.log(JSON.stringify(await Promise.all(read("answers.json").map(judge))));
"""
"""What a client says of each of some answers."""
SCRIPT = Path(__file__).parents[1] / "docs/verify/verify_receipt.py"
IMAGE = {"kind": "image", "prompt": "a red bicycle", "size": "256x256"}
PRICE = 3


@pytest.fixture
async def shopper(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A store with 1 000 credits, speaking plain HTTP."""
    made = await world.admin.create_store("Receipt boutique")
    await world.admin.grant("store", made.id, 1_000, reason="test")
    headers = {"X-API-Key": made.api_key}
    async with httpx.AsyncClient(base_url=world.url, headers=headers, timeout=60, trust_env=False) as client:
        yield client


async def run_to_end(shopper: httpx.AsyncClient, outcome: str) -> dict[str, Any]:
    headers = {"X-Atelier-Simulate": f"outcome={outcome}", "Prefer": "wait=30"}
    ended: dict[str, Any] = (await shopper.post("/v1/generations", json=IMAGE, headers=headers)).json()
    return ended


async def save_receipt(world: World, shopper: httpx.AsyncClient, id_: str, folder: Path) -> dict[str, Any]:
    """The answer of the API; the keys come from an address that needs no credential."""
    answer = (await shopper.get(f"/v1/generations/{id_}/receipt")).json()
    (folder / "receipt.json").write_text(json.dumps(answer))
    async with httpx.AsyncClient(base_url=world.url, trust_env=False) as stranger:
        (folder / "jwks.json").write_text((await stranger.get("/.well-known/jwks.json")).text)
    signed: dict[str, Any] = answer["signed"]["receipt"]
    return signed


def verify(folder: Path, *options: str) -> tuple[int, str]:
    command = [sys.executable, "-I", str(SCRIPT), "--keys", "jwks.json", "receipt.json", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


async def test_a_pictures_receipt_verifies_offline_with_its_request_and_its_bytes(
    world: World, shopper: httpx.AsyncClient, tmp_path: Path
) -> None:
    ended = await run_to_end(shopper, "succeed")
    signed = await save_receipt(world, shopper, ended["id"], tmp_path)
    async with httpx.AsyncClient(trust_env=False) as storage:
        (tmp_path / "picture.png").write_bytes((await storage.get(ended["outputs"][0]["url"])).content)

    status, output = verify(tmp_path, "--output", "picture.png")

    assert status == 0, output
    assert (signed["outcome"], signed["surface"], signed["provider"]) == ("succeeded", "native", ended["provider"])
    assert f"{PRICE} credits reserved = {PRICE} charged + 0 refunded" in output
    assert "the request beside it is the one that was made" in output
    assert "picture.png is an output as it was delivered" in output


async def test_a_failures_receipt_verifies_and_says_that_it_was_free(
    world: World, shopper: httpx.AsyncClient, tmp_path: Path
) -> None:
    ended = await run_to_end(shopper, "fail")
    signed = await save_receipt(world, shopper, ended["id"], tmp_path)

    status, output = verify(tmp_path)

    assert status == 0, output
    assert (signed["outcome"], signed["code"], signed["outputs"]) == ("failed", "provider_failed", [])
    assert f"{PRICE} credits reserved = 0 charged + {PRICE} refunded" in output


async def test_a_receipt_stands_in_the_log_that_an_operator_verifies_with_a_checkpoint_of_before(
    world: World, shopper: httpx.AsyncClient, tmp_path: Path
) -> None:
    ended = await run_to_end(shopper, "succeed")
    signed = await save_receipt(world, shopper, ended["id"], tmp_path)
    proof = await eventually(lambda: find_proof(world, signed["id"]))
    (tmp_path / "proof.json").write_text(json.dumps(proof))
    (tmp_path / "checkpoint.txt").write_text(proof["checkpoint"])
    await run_to_end(shopper, "fail")

    status, output = verify(tmp_path, "--proof", "proof.json", "--checkpoint", "checkpoint.txt")
    verified = await world.admin.ask(
        "verify the log", "POST", "/v1/admin/log/verify", {"checkpoint": proof["checkpoint"]}
    )
    other = proof["checkpoint"].replace(f"\n{proof['tree_size']}\n", f"\n{proof['tree_size'] - 1}\n")
    doubted = await world.admin.ask("verify the log", "POST", "/v1/admin/log/verify", {"checkpoint": other})

    assert (status, f"entry {proof['leaf_index']} of the {proof['tree_size']} in the log" in output) == (0, True), (
        output
    )
    assert (verified["ok"], verified["compared_size"]) == (True, proof["tree_size"]), verified
    assert doubted["violations"] == ["the checkpoint outside: it is not signed by a published key"]


async def find_proof(world: World, receipt: str) -> dict[str, Any] | NotYet:
    async with httpx.AsyncClient(base_url=world.url, trust_env=False) as stranger:
        answer = await stranger.get(f"/v1/log/entries/{receipt}/inclusion")
        assert answer.status_code in (200, 404), answer.text
        return NotYet(answer.text) if answer.status_code == 404 else dict(answer.json())


@pytest.mark.parametrize("client", ["python", "node"])
async def test_both_clients_verify_real_receipts_and_name_what_was_altered(
    world: World, shopper: httpx.AsyncClient, tmp_path: Path, client: str
) -> None:
    answers = []
    for outcome in ("succeed", "fail"):
        ended = await run_to_end(shopper, outcome)
        await save_receipt(world, shopper, ended["id"], tmp_path)
        answers.append(json.loads((tmp_path / "receipt.json").read_text()))
    (tmp_path / "answers.json").write_text(json.dumps([*answers, *_altered(answers[0])]))

    if client == "python":
        interpreter = await asyncio.to_thread(built_clients.python_client)
        (tmp_path / "judge.py").write_text(PYTHON)
        said = await asyncio.to_thread(packages.python, interpreter, "judge.py", cwd=tmp_path)
    else:
        installed = await asyncio.to_thread(built_clients.typescript_client)
        (installed / "judge.mjs").write_text(NODE)
        said = await asyncio.to_thread(packages.node, "judge.mjs", str(tmp_path), cwd=installed)

    succeeded, failed, *refused = json.loads(said)
    assert (succeeded, failed) == ("succeeded", "failed")
    assert refused == [*["the signature is wrong"] * 4, "the request beside it is not the one that was made"]


def _altered(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Each with one thing changed: a credit, an output, the owner, the signature, the request."""
    altered = [copy.deepcopy(answer) for _ in range(5)]
    receipts = [each["signed"]["receipt"] for each in altered]
    receipts[0]["postings"][0]["credits"] += 1
    receipts[0]["credits"]["reserved"] += 1
    receipts[1]["outputs"][0]["sha256"] = "00" * 32
    receipts[2]["owner"]["id"] = str(uuid4())
    signature = altered[3]["signed"]["signature"]
    signature["value"] = ("B" if signature["value"][0] == "A" else "A") + signature["value"][1:]
    altered[4]["request"]["spec"]["prompt"] = "a blue bicycle"
    return altered
