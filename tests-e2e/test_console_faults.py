"""``/console`` while a service is down: what is known is shown, and who is missing is named."""

import asyncio

import httpx
import pytest

from whole_system.waits import eventually
from whole_system.world import World


@pytest.mark.parametrize("away", ["session", "billing", "render"])
async def test_the_story_and_the_overview_answer_while_a_service_is_down_and_name_it(world: World, away: str) -> None:
    client = await world.new_store(5)
    made = await client.create({"kind": "image", "prompt": "a lake", "size": "256x256"}, {"Prefer": "respond-async"})
    await asyncio.to_thread(world.stack.stop_part, away)
    try:
        token = world.stack.environment()["ATELIER_ADMIN_TOKEN"]
        async with httpx.AsyncClient(base_url=world.operations_url, timeout=30) as http:
            await http.post("/console/login", data={"token": token})
            paths = ["", f"/generations/{made.id}", "/dead-letters", f"/accounts/store/{world.id_of(client)}", "/books"]
            paths += ["/generations", "/accounts", "/failures", "/providers", "/webhooks", "/events", "/acts"]
            paths += ["/upgrade", "/search?q=unheard-of-123", "/search"]
            pages = {path: await http.get(f"/console{path}") for path in paths}
    finally:
        await asyncio.to_thread(world.stack.start_part, away)
        await asyncio.to_thread(world.stack.wait_ready, away)

    assert {path: page.status_code for path, page in pages.items()} == dict.fromkeys(pages, 200)
    for path in paths[:2]:
        assert f"<strong>{away} does not answer</strong>" in pages[path].text, path
    assert f"{away} does not answer" in pages["/dead-letters"].text
    assert f"{away} does not answer" in pages["/upgrade"].text
    of_one = {"render": ("/providers", "/search?q=unheard-of-123"), "billing": ("/books",), "session": ()}
    for path in of_one[away]:
        assert f"{away}" in pages[path].text and "does not answer" in pages[path].text, path
    assert "accepted an image over the native surface" in pages[f"/generations/{made.id}"].text

    async def has_ended() -> bool | None:
        return (await client.generation(made.id)).status in ("succeeded", "failed") or None

    await eventually(has_ended)
    await client.__aexit__(None, None, None)
