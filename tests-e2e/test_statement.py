"""A month leaves the house as one file: from the running system, verified in a bare process, then altered."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from whole_system.waits import NotYet, eventually
from whole_system.world import World

SCRIPT = Path(__file__).parents[1] / "docs/verify/verify_statement.py"
IMAGE = {"kind": "image", "prompt": "a red bicycle", "size": "256x256"}
PRICE, GRANTED = 3, 1_000


@dataclass(frozen=True)
class Shop:
    """A store with a second key, and what it may spend."""

    client: httpx.AsyncClient
    keys: tuple[str, str]
    """Their headers."""


@pytest.fixture
async def shop(world: World) -> AsyncIterator[Shop]:
    made = await world.admin.create_store("Statement boutique")
    await world.admin.grant("store", made.id, GRANTED, reason="test")
    second = await world.admin.ask("make a key", "POST", f"/v1/admin/stores/{made.id}/keys", {"name": "till 2"})
    async with httpx.AsyncClient(base_url=world.url, timeout=60, trust_env=False) as client:
        yield Shop(client, (made.api_key, second["api_key"]))


async def run_to_end(shop: Shop, key: str, outcome: str) -> str:
    headers = {"X-API-Key": key, "X-Atelier-Simulate": f"outcome={outcome}", "Prefer": "wait=30"}
    ended = (await shop.client.post("/v1/generations", json=IMAGE, headers=headers)).json()
    assert ended["status"] in ("succeeded", "failed"), ended
    return str(ended["id"])


async def fetch_statement(shop: Shop, available: int, ended: int) -> list[bytes] | NotYet:
    """This month's, once it is closed past the last posting of so many generations."""
    month = f"{datetime.now(UTC):%Y-%m}"
    answer = await shop.client.get(f"/v1/statements/{month}", headers={"X-API-Key": shop.keys[0]})
    assert answer.status_code == 200, answer.text
    lines = answer.content.splitlines(keepends=True)
    closing = json.loads(lines[-1])["statement"]["closing"]
    receipts = sum(line.startswith(b'{"receipt"') for line in lines)
    is_whole = (closing["available"], closing["held"], receipts) == (available, 0, ended)
    return lines if is_whole else NotYet(f"{receipts} receipts, {closing}")


def verify(folder: Path, lines: Sequence[bytes]) -> tuple[int, str]:
    (folder / "statement.jsonl").write_bytes(b"".join(lines))
    command = [sys.executable, "-E", "-s", "-B", str(SCRIPT), "--keys", "jwks.json", "statement.jsonl"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


async def test_a_statement_verifies_offline_and_one_byte_one_posting_or_one_line_less_is_found(
    world: World, shop: Shop, tmp_path: Path
) -> None:
    charged = [await run_to_end(shop, key, "succeed") for key in (*shop.keys, shop.keys[1])]
    failed = await run_to_end(shop, shop.keys[0], "fail")
    (tmp_path / "jwks.json").write_text((await shop.client.get("/.well-known/jwks.json")).text)
    left = GRANTED - PRICE * len(charged)
    lines = await eventually(lambda: fetch_statement(shop, left, 4))

    status, output = verify(tmp_path, lines)

    assert status == 0, output
    assert f"0 available before, {left} after; the postings add up" in output
    assert f"{PRICE * len(charged)} credits charged, 0 returned; usage says the same" in output
    receipts = [json.loads(line)["receipt"] for line in lines if line.startswith(b'{"receipt"')]
    assert {receipt["generation_id"] for receipt in receipts} == {*charged, failed}
    for name, (altered, fault) in _alterations(lines).items():
        status, output = verify(tmp_path, altered)
        assert (status, fault in output) == (1, True), (name, output)


def _alterations(lines: Sequence[bytes]) -> dict[str, tuple[list[bytes], str]]:
    """By name: the altered lines, and what the script says of them."""
    capture = next(index for index, line in enumerate(lines) if b'"kind":"capture"' in line)
    price, dearer = f'"credits":{PRICE},'.encode(), f'"credits":{PRICE + 1},'.encode()
    assert price in lines[capture]
    receipt = next(index for index, line in enumerate(lines) if line.startswith(b'{"receipt"'))
    head = lines[0].replace(b'"issued_at":"2', b'"issued_at":"3')
    return {
        "a byte": ([head, *lines[1:]], "the lines are not those that were signed"),
        "a posting": (
            [*lines[:capture], lines[capture].replace(price, dearer), *lines[capture + 1 :]],
            "the lines are not those that were signed",
        ),
        "a receipt": (
            [*lines[:receipt], lines[receipt].replace(b'"succeeded"', b'"cancelled"'), *lines[receipt + 1 :]],
            "the signature is wrong",
        ),
        "a line less": ([*lines[:capture], *lines[capture + 1 :]], f"{len(lines) - 1} lines were signed"),
        "the end": (list(lines[:-1]), "the signature is missing"),
    }


async def test_the_usage_of_each_key_is_that_of_the_statement_and_the_page_shows_the_same(shop: Shop) -> None:
    for key in (shop.keys[0], *shop.keys):
        await run_to_end(shop, key, "succeed")
    lines = await eventually(lambda: fetch_statement(shop, GRANTED - 3 * PRICE, 3))
    headers, month = {"X-API-Key": shop.keys[1]}, f"{datetime.now(UTC):%Y-%m}"

    usage = (await shop.client.get("/v1/usage", headers=headers, params={"by": "key"})).json()
    page = await shop.client.get(f"/v1/statements/{month}?format=html", headers=headers)

    by_prefix = {f"atl_{row['key_prefix']}": row["charged"] for row in usage["data"]}
    assert by_prefix == {shop.keys[0][:16]: 2 * PRICE, shop.keys[1][:16]: PRICE}
    stated: dict[str, Any] = {}
    for value in map(json.loads, lines):
        if value.get("type") == "atelier.usage.v1":
            stated[value["key"]] = stated.get(value["key"], 0) + value["charged"]
    assert stated == {row["key"]: row["charged"] for row in usage["data"]}
    assert page.headers["content-type"].startswith("text/html")
    assert page.text.count("<td>capture</td>") == 3
    assert page.text.count('<tr class="receipt">') == 3
