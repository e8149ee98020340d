"""The protocol's tasks: a client that declares them gets a handle from a create, any other a generation."""

from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID, uuid4

import mcp_types as types
import pytest
from mcp.client import ClientExtension, advertise
from mcp.client.extension import ClaimContext, ResultClaim
from mcp.shared.exceptions import MCPError

from atelier_gateway.surfaces.mcp.tasks import EXTENSION

from ...support.event_streams import render_and_fail
from ...support.mcp import IMAGE, agent, grainy_png, success_with
from ...support.native import wait_until_projected
from ...support.world import World

pytestmark = pytest.mark.stack
CALL = IMAGE | {"max_credits": 5}


class Handle(types.Result):
    """What a create returns as a task."""

    result_type: Literal["task"] = "task"
    task_id: str
    status: str
    created_at: str
    last_updated_at: str
    ttl_ms: int | None
    poll_interval_ms: int


class Tasks(ClientExtension):
    """A client that takes tasks and keeps the handle."""

    identifier = EXTENSION

    def claims(self) -> Sequence[ResultClaim[Any]]:
        async def refuse(_: Handle, __: ClaimContext) -> types.CallToolResult:
            raise AssertionError("the handle itself is wanted")

        return [ResultClaim(result_type="task", model=Handle, resolve=refuse)]


class TaskParams(types.RequestParams):
    """Of every method of a task."""

    task_id: str


class TaskRequest(types.Request[TaskParams, str]):
    """``tasks/get``, ``tasks/update`` or ``tasks/cancel``."""

    name_param = "taskId"
    method: str
    params: TaskParams


class Answer(types.Result):
    """Whatever came."""

    model_config = types.Result.model_config | {"extra": "allow"}


async def ask(client: Any, method: str, id_: str) -> dict[str, Any]:
    request = TaskRequest(method=method, params=TaskParams(task_id=id_))
    answer = await client.session.send_request(request, Answer)
    return dict(answer.model_dump(by_alias=True, mode="json"))


async def create(client: Any) -> str:
    call = CALL | {"idempotency_key": str(uuid4())}
    handle = await client.session.call_tool("create_generation", call, allow_claimed=True)
    assert isinstance(handle, Handle) and handle.status == "working"
    return handle.task_id


async def test_a_create_is_a_task_whose_id_is_the_generations(world: World) -> None:
    store, headers = await world.store()
    async with agent(world, headers, extensions=[Tasks()]) as client:
        id_ = await create(client)
        before = await ask(client, "tasks/get", id_)
        await world.neighbours.say(await success_with(world, store, UUID(id_), (grainy_png(8, 9), "image/png", (8, 9))))
        await wait_until_projected(world, UUID(id_), "succeeded")
        after = await ask(client, "tasks/get", id_)
        updated = await ask(client, "tasks/update", id_)

    assert (before["status"], before["ttlMs"]) == ("working", None)
    assert after["status"] == "completed"
    assert [block["type"] for block in after["result"]["content"]] == ["text", "image", "resource_link"]
    assert after["result"]["structuredContent"]["id"] == id_
    assert updated["resultType"] == "complete"


async def test_a_failed_generation_is_a_completed_task_with_an_error_of_the_tool(world: World) -> None:
    _, headers = await world.store()
    async with agent(world, headers, extensions=[Tasks()]) as client:
        id_ = await create(client)
        await render_and_fail(world, UUID(id_))
        ended = await ask(client, "tasks/get", id_)
        cancelled = await ask(client, "tasks/cancel", id_)

    assert (ended["status"], ended["result"]["isError"]) == ("completed", True)
    assert cancelled["resultType"] == "complete"


async def test_a_cancelled_task_is_cancelled(world: World) -> None:
    _, headers = await world.store()
    async with agent(world, headers, extensions=[Tasks()]) as client:
        id_ = await create(client)
        await wait_until_projected(world, UUID(id_), "queued")
        await ask(client, "tasks/cancel", id_)
        ended = await ask(client, "tasks/get", id_)

    assert ended["status"] == "cancelled"


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
async def test_another_owners_task_is_answered_as_an_unknown_one(world: World, method: str) -> None:
    (_, headers), (_, others) = await world.store(), await world.store()
    async with (
        agent(world, headers, extensions=[Tasks()]) as client,
        agent(world, others, extensions=[Tasks()]) as other,
    ):
        id_ = await create(client)
        said = []
        for asked in (id_, str(uuid4())):
            with pytest.raises(MCPError) as refused:
                await ask(other, method, asked)
            said.append((refused.value.code, refused.value.message))
        mine = await ask(client, "tasks/get", id_)

    assert said[0] == said[1]
    assert mine["status"] == "working"


async def test_a_client_that_does_not_take_tasks_gets_none(world: World) -> None:
    _, headers = await world.store()
    async with agent(world, headers) as client:
        made = await client.call_tool("create_generation", CALL | {"idempotency_key": "x"})
        with pytest.raises(MCPError, match="did not declare"):
            await ask(client, "tasks/get", made.structured_content["id"])

    assert made.structured_content["status"] == "queued"


async def test_the_revision_with_a_handshake_has_no_tasks(world: World) -> None:
    _, headers = await world.store()
    async with agent(world, headers, "legacy", extensions=[advertise(EXTENSION)]) as client:
        made = await client.call_tool("create_generation", CALL | {"idempotency_key": "x"})
        with pytest.raises(MCPError, match="Method not found"):
            await ask(client, "tasks/get", made.structured_content["id"])

    assert made.structured_content["status"] == "queued"
