"""What the tests of webhooks over the API share."""

from typing import Any
from uuid import UUID

from atelier_contracts import Artefact, RenderStarted
from atelier_storage.keys import artefact_key

from .native import success, wait_until_projected
from .webhook_receiver import Receiver
from .world import World

HOOK = {"url": "http://127.0.0.1:9/nobody-listens?token=canary"}
Headers = dict[str, str]


async def make(world: World, headers: Headers, url: str, **more: Any) -> dict[str, Any]:
    made = await world.client.post("/v1/webhooks", headers=headers, json={"url": url} | more)
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


async def get_signing_secret(world: World, headers: Headers) -> str:
    return str((await world.client.get("/v1/webhooks/secret", headers=headers)).json()["secret"])


async def wait_for_messages(world: World, receiver: Receiver, number: int) -> None:
    async def enough() -> bool:
        return len(receiver.got) >= number

    await world.until(enough)


async def succeed(world: World, user: UUID, generation: UUID) -> None:
    key = artefact_key("user", user, generation, 0, "png")
    await world.neighbours.say(RenderStarted(generation_id=generation, attempt=1))
    await wait_until_projected(world, generation, "rendering")
    output = Artefact(key=key, content_type="image/png", size=3, sha256="ab" * 32, width=256, height=256)
    await world.neighbours.say(success(generation, output))
    await wait_until_projected(world, generation, "succeeded")


async def deliveries(world: World, headers: Headers, query: str = "") -> list[dict[str, Any]]:
    found = await world.client.get(f"/v1/webhooks/deliveries{query}", headers=headers)
    assert found.status_code == 200, found.text
    page: list[dict[str, Any]] = found.json()["data"]
    return page


async def until_state(world: World, headers: Headers, id_: str, state: str) -> dict[str, Any]:
    async def looks_so() -> bool:
        return bool(
            (await world.client.get(f"/v1/webhooks/deliveries/{id_}", headers=headers)).json()["state"] == state
        )

    await world.until(looks_so)
    found: dict[str, Any] = (await world.client.get(f"/v1/webhooks/deliveries/{id_}", headers=headers)).json()
    return found
