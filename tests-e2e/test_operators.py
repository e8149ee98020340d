"""An operator at the terminal: keys, a suspended store, a grant typed twice, a colleague who may only read."""

import asyncio
import json
import re
from uuid import uuid4

import httpx
import pytest
from typer.testing import CliRunner, Result

from atelier_local.api_client.client import RequestRefused
from atelier_local.cli import app
from whole_system.waits import becomes
from whole_system.world import World

PICTURES = ["https://example.com/person.jpg", "https://example.com/shirt.jpg"]


async def run_command(world: World, *words: str, token: str | None = None) -> Result:
    """A command of ``atelier admin``."""
    known = world.stack.environment() | {"COLUMNS": "400"} | ({"ATELIER_ADMIN_TOKEN": token} if token else {})
    return await asyncio.to_thread(CliRunner().invoke, app, ["admin", *words], env={**known, "PROFILE": None})


def value_of(result: Result, label: str) -> str:
    """The one value that stands beside a label."""
    assert result.exit_code == 0, result.output
    (found,) = re.findall(rf"^  {label} +(\S+)", result.output, re.MULTILINE)
    return str(found)


async def test_a_leaked_first_key_is_replaced_and_revoked(world: World) -> None:
    made = await run_command(world, "stores", "create", "Boutique")
    store, leaked = value_of(made, "store"), value_of(made, "api key")
    second = await run_command(world, "stores", "keys", "create", store, "--name", "web shop")
    listed = await run_command(world, "stores", "keys", "list", store)

    revoked = await run_command(world, "stores", "keys", "revoke", store, leaked.rpartition("_")[0])

    assert "web shop" in listed.output and value_of(made, "key id") in listed.output
    assert revoked.exit_code == 0
    async with httpx.AsyncClient(base_url=world.url) as http:
        for key, status in ((leaked, 401), (value_of(second, "api key"), 200)):
            assert (await http.get("/v1/credits", headers={"X-API-Key": key})).status_code == status


async def test_a_suspended_store_is_refused_and_its_live_work_ends_well(world: World) -> None:
    client = await world.new_store(2)
    store = world.id_of(client)
    slow = await client.try_on(PICTURES, simulate="outcome=succeed, delay_ms=1500")

    assert (await run_command(world, "stores", "suspend", store)).exit_code == 0
    with pytest.raises(RequestRefused) as refused:
        await client.try_on(PICTURES)
    assert (await run_command(world, "stores", "restore", store)).exit_code == 0

    assert (refused.value.status, refused.value.code) == (403, "account_disabled")
    assert (await world.wait_until_ended(client, slow.session_id)).status == "completed"
    assert (await world.balance(client)).captured == 1
    await client.__aexit__(None, None, None)


async def test_a_grant_typed_twice_is_given_once(world: World) -> None:
    store = value_of(await run_command(world, "stores", "create", "Boutique"), "store")
    command = ("grant", "store", store, "7", "--reason", "a start")

    await run_command(world, *command)
    second = await run_command(world, *command)
    other = await run_command(world, *command, "--expires-at", "2400-01-01")

    assert "given before" in second.output and "7 granted" in second.output
    assert "given before" not in other.output and "14 granted" in other.output


async def test_a_colleague_who_may_only_read_sees_who_did_what(world: World) -> None:
    made = await run_command(world, "operators", "create", "Ana", "--role", "viewer")
    token, store = value_of(made, "token"), value_of(await run_command(world, "stores", "create", "Boutique"), "store")
    await run_command(world, "stores", "suspend", store)

    refused = await run_command(world, "grant", "store", store, "7", "--reason", "x", token=token)
    seen = await run_command(world, "acts", "--target", store, token=token)
    await run_command(world, "operators", "revoke", value_of(made, "operator"))
    afterwards = await run_command(world, "acts", token=token)

    assert refused.exit_code == 1 and "role" in refused.stderr
    assert "store.suspend" in seen.output and "store.create" in seen.output and "first" in seen.output
    assert afterwards.exit_code == 1 and "401" in afterwards.stderr


async def test_a_user_is_found_and_taken_out_of_a_workspace(world: World) -> None:
    email = f"{uuid4()}@example.com"
    user = value_of(await run_command(world, "users", "create", email), "user")
    other = await world.admin.create_user(f"{uuid4()}@example.com")
    workspace = await world.admin.create_workspace("Team", [user, other])
    token = await world.admin.issue_token(user)

    found = await run_command(world, "users", "find", email.upper())
    removed = await run_command(world, "workspaces", "members", "remove", workspace, user)
    left = await run_command(world, "workspaces", "members", "list", workspace)

    assert user in found.output and removed.exit_code == 0
    assert other in left.output and user not in left.output
    async with httpx.AsyncClient(base_url=world.url, headers={"Authorization": f"Bearer {token}"}) as http:
        assert (await http.get("/v1/credits", headers={"X-Workspace-Id": workspace})).status_code == 403


async def test_what_the_console_shows_is_asked_at_a_terminal_too(world: World) -> None:
    client = await world.new_store(5)
    order = f"SO-{uuid4().hex[:8]}"
    slow = {"kind": "image", "prompt": "a lake", "size": "256x256", "metadata": {"order": order}}
    made = await client.create(slow, {"X-Atelier-Simulate": "outcome=succeed, delay_ms=100000"})

    found = await run_command(world, "find", order)
    listed = await run_command(
        world, "generations", "list", "--state", "open", "--store", world.id_of(client), "--json"
    )
    overview = await run_command(world, "overview")
    letters = await run_command(world, "dead-letters", "show", "billing.caps", "--json")
    cancelled = await run_command(world, "generations", "cancel", made.id, "--reason", "it hangs")
    shown = await run_command(world, "generations", "show", made.id)
    nothing = await run_command(world, "dead-letters", "discard", "billing.caps", "0" * 24, "--reason", "a test")

    assert made.id in found.output
    assert [row["id"] for row in json.loads(listed.output)] == [made.id]
    assert all(f"{service} " in overview.output for service in ("gateway", "session", "billing", "render"))
    assert json.loads(letters.output) == [] and "0 discarded" in nothing.output
    assert cancelled.exit_code == 0 and json.loads(shown.output)["request"]["metadata"] == {"order": order}
    acts = await run_command(world, "acts", "--target", made.id)
    assert "generation.cancel" in acts.output and "it hangs" in acts.output
    await client.__aexit__(None, None, None)


async def test_what_failed_who_was_refused_and_what_is_held_are_asked_at_a_terminal(world: World) -> None:
    client, order = await world.new_store(5), {"kind": "image", "prompt": "a lake", "size": "256x256"}
    store = world.id_of(client)
    failed = await client.create(order, {"X-Atelier-Simulate": "outcome=fail"})

    async def has_failed() -> bool:
        causes = json.loads((await run_command(world, "failures", "--hours", "1", "--json")).output)["data"]
        return failed.id in [id_ for cause in causes for id_ in cause["newest"]]

    await becomes(True, has_failed)
    slow = await client.create(order, {"X-Atelier-Simulate": "outcome=succeed, delay_ms=100000"})
    with pytest.raises(RequestRefused):
        await client.create(order)

    async def refusals() -> list[str]:
        listed = await run_command(world, "refusals", "--owner", store, "--json")
        return [row["code"] for row in json.loads(listed.output)]

    await becomes(["insufficient_credits"], refusals)

    async def is_held() -> bool:
        held = await run_command(world, "holds", "--older-than-s", "1", "--limit", "100", "--json")
        return slow.id in [hold["generation_id"] for hold in json.loads(held.output)["data"]]

    await becomes(True, is_held)
    ready = json.loads((await run_command(world, "upgrade", "--json")).output)
    tables = [await run_command(world, *words) for words in (("failures",), ("refusals",), ("holds",), ("upgrade",))]
    await run_command(world, "generations", "cancel", slow.id, "--reason", "the end of a test")

    assert [each["service"] for each in ready["services"]] == ["gateway", "session", "billing", "render"]
    assert [bool(table.output.strip()) for table in tables] == [True] * 4
    assert tables[3].exit_code == (0 if ready["ready"] else 1)
    await client.__aexit__(None, None, None)


async def test_a_breaker_is_held_and_released_at_a_terminal_however_often_it_is_typed(world: World) -> None:
    hold = ("providers", "hold", "openai", "open", "--reason", "it answers nonsense", "--minutes", "5")
    release = ("providers", "release", "openai", "--reason", "they have mended it")

    held = [await run_command(world, *hold), await run_command(world, *hold, "--json")]
    shown = json.loads((await run_command(world, "providers", "list", "--json")).output)
    released = [await run_command(world, *release), await run_command(world, *release, "--json")]
    unknown = await run_command(world, "providers", "hold", "nobody", "open", "--reason", "a test")

    assert [done.exit_code for done in (*held, *released)] == [0, 0, 0, 0]
    assert json.loads(held[1].output) == {"provider": "openai", "state": "open"}
    (override,) = [row["override"] for row in shown if row["provider"] == "openai"]
    assert (override["state"], override["reason"]) == ("open", "it answers nonsense")
    assert json.loads(released[1].output)["state"] == "closed"
    assert unknown.exit_code == 1 and "404" in unknown.stderr
    acts = await run_command(world, "acts", "--act", "provider.release_breaker", "--json")
    assert json.loads(acts.output)[0]["details"]["reason"] == "they have mended it"


async def test_a_generation_is_rendered_again_once_however_often_it_is_typed(world: World) -> None:
    client = await world.new_store(10)
    order = {"kind": "image", "prompt": "a lake", "size": "256x256"}
    made = await client.create(order, {"X-Atelier-Simulate": "picture=none"})
    command = ("generations", "rerender", made.id, "--reason", "six fingers", "--json")

    async def status() -> str:
        return (await client.generation(made.id)).status

    await becomes("succeeded", status)

    first, second = await run_command(world, *command), await run_command(world, *command)
    other = await run_command(world, *command, "--again")

    ids = [json.loads(done.output)["id"] for done in (first, second, other)]
    assert ids[0] == ids[1] and len({made.id, *ids}) == 3

    async def charged() -> int:
        return (await world.balance(client)).captured

    price = (await world.admin.ask("show it", "GET", f"/v1/admin/generations/{made.id}"))["price"]
    await becomes(price, charged)
    await client.__aexit__(None, None, None)


async def test_a_webhook_is_found_and_sent_again_at_a_terminal(world: World) -> None:
    client, order = await world.new_store(5), {"kind": "image", "prompt": "a lake", "size": "256x256"}
    made = await client.create(
        order | {"webhook_url": "http://127.0.0.1:9/hook"}, {"X-Atelier-Simulate": "picture=none"}
    )

    async def deliveries() -> list[str]:
        listed = await run_command(world, "webhooks", "list", "--json")
        return [row["id"] for row in json.loads(listed.output) if row["generation_id"] == made.id and row["attempts"]]

    async def is_listed() -> bool:
        return bool(await deliveries())

    await becomes(True, is_listed)
    (id_,) = await deliveries()
    sent = await run_command(world, "webhooks", "replay", id_, "--reason", "their server is back", "--json")
    shown = await run_command(world, "webhooks", "show", id_)

    assert json.loads(sent.output)["id"] == id_
    assert id_ in shown.output and "127.0.0.1:9" in shown.output
    acts = await run_command(world, "acts", "--target", world.id_of(client))
    assert "webhook.replay" in acts.output and "their server is back" in acts.output
    await client.__aexit__(None, None, None)


async def test_the_public_address_has_no_door_for_operators_and_theirs_none_for_clients(world: World) -> None:
    token = world.stack.environment()["ATELIER_ADMIN_TOKEN"]
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as http:
        public = [(await http.get(world.url + path)).status_code for path in ("/v1/admin/stores", "/metrics")]
        paths = ("/v1/admin/stores", "/metrics", "/v1/generations")
        theirs = [(await http.get(world.operations_url + path)).status_code for path in paths]

    assert public == [404, 404]
    assert theirs == [200, 200, 404]
