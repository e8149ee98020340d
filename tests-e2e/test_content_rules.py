"""What content rules refuse costs nothing, and owner and operator can read why."""

import httpx

from whole_system.world import World

REASON = "the text holds a word that is not allowed here"


async def test_a_refused_prompt_is_refunded_in_full_and_explained(world: World) -> None:
    made = await world.admin.create_store("Strict boutique")
    await world.admin.grant("store", made.id, 50, reason="test")
    body = {"kind": "image", "prompt": "an Unspeäkable scene", "size": "256x256", "n": 2}
    headers = {"X-API-Key": made.api_key, "Prefer": "wait=30"}
    async with httpx.AsyncClient(base_url=world.url, headers=headers, timeout=60, trust_env=False) as client:
        refused = (await client.post("/v1/generations", json=body)).json()
        receipt = (await client.get(f"/v1/generations/{refused['id']}/receipt")).json()
        story = (await client.get(f"/v1/generations/{refused['id']}/explain")).json()

    assert (refused["status"], refused["outputs"]) == ("failed", [])
    assert (refused["error"]["code"], refused["error"]["message"]) == ("refused", REASON)
    assert refused["credits"] == {"reserved": 6, "captured": 0, "refunded": 6, "returned": 0}
    assert (receipt["credits"]["captured"], receipt["credits"]["refunded"]) == (0, 6)
    assert REASON in story["summary"]
    assert (await world.admin.balance("store", made.id)).available == 50
