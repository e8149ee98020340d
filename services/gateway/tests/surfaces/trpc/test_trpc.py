"""tRPC on real servers: batches of any size, each call answered for itself, streams; the client: tests-e2e."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from atelier_contracts import Owner
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.surfaces.trpc.calls import AT_ONCE_MAX, run_calls
from atelier_gateway.surfaces.trpc.protocol import Call, CallResult, result_envelope

from ...support.isolation import Headers
from ...support.world import FAILED_LOGINS_PER_MINUTE, World

PICTURES = {"imageUrls": ["https://cdn.shop-pictures.net/me.png", "https://cdn.shop-pictures.net/coat.png"]}
UNKNOWN = "01a1fc2b-b645-75f2-a8e8-4dc64127a598"
SOMEBODY = Principal(Owner.model_validate({"kind": "user", "id": UNKNOWN}), "b2c")


@pytest.fixture
async def user(world: World) -> Headers:
    """A person's credential."""
    return (await world.user())[1]


async def create(world: World, headers: Headers, *inputs: Any, more: Headers | None = None) -> httpx.Response:
    """As ``httpBatchLink`` sends it."""
    names = ",".join(["tryOn.create"] * len(inputs))
    body = json.dumps({str(index): value for index, value in enumerate(inputs)})
    return await world.client.post(f"/api/trpc/{names}?batch=1", headers=headers | (more or {}), content=body)


def request_of(method: str = "POST") -> Request:
    return Request({"type": "http", "method": method, "path": "/", "headers": []})


async def run(calls: list[Call], procedure: Any) -> dict[int, CallResult]:
    return {index: result async for index, result in run_calls(request_of(), SOMEBODY, calls, {"do": procedure})}


async def test_an_exception_in_one_call_is_that_calls_own_answer() -> None:
    async def do(_: Request, __: Principal, given: Any) -> CallResult:
        return 200, result_envelope(1 // given)

    found = await run([Call("do", 1), Call("do", 0), Call("do", 1)], do)

    assert [found[index][0] for index in range(3)] == [200, 500, 200]
    assert found[1][1]["error"]["data"] == {"code": "INTERNAL_SERVER_ERROR", "httpStatus": 500, "path": "do"}


async def test_a_request_has_a_few_calls_in_progress_at_a_time() -> None:
    running, most = 0, 0

    async def do(_: Request, __: Principal, given: Any) -> CallResult:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return 200, result_envelope(given)

    found = await run([Call("do", index) for index in range(100)], do)

    assert [found[index][1] for index in range(100)] == [result_envelope(index) for index in range(100)]
    assert most == AT_ONCE_MAX


async def test_who_stops_reading_has_no_further_call_begun() -> None:
    begun: list[int] = []

    async def do(_: Request, __: Principal, given: int) -> CallResult:
        begun.append(given)
        await asyncio.sleep(0)
        return 200, result_envelope(given)

    reading = run_calls(request_of(), SOMEBODY, [Call("do", index) for index in range(100)], {"do": do})
    await anext(reading)
    await reading.aclose()  # type: ignore[attr-defined]  # it is a generator

    assert len(begun) <= 2 * AT_ONCE_MAX


@pytest.mark.stack
@pytest.mark.parametrize("count", [1, 11, 25, 100])
async def test_a_batch_of_any_size_is_answered_call_by_call(world: World, user: Headers, count: int) -> None:
    """000.10 The stock client puts no bound on a batch."""
    names, inputs = ",".join(["tryOn.get"] * count), {index: {"sessionId": UNKNOWN} for index in range(count)}
    query = {"batch": "1", "input": json.dumps(inputs)}

    read = await world.client.get(f"/api/trpc/{names}", headers=user, params=query)
    made = await create(world, user, *[PICTURES] * min(count, 12))

    assert (read.status_code, len(read.json())) == (404, count)
    assert made.status_code == 200
    assert len({result["result"]["data"]["sessionId"] for result in made.json()}) == min(count, 12)


@pytest.mark.stack
@pytest.mark.parametrize("lone", ['{"prompt": "\\ud800"}', '{"imageUrls": ["\\udfff"]}', '{"\\ud800": 1}'])
async def test_half_a_surrogate_pair_in_one_call_refuses_that_call(world: World, user: Headers, lone: str) -> None:
    reply = await create(world, user, PICTURES, PICTURES | json.loads(lone))

    good, bad = reply.json()
    assert (reply.status_code, good["result"]["data"]["status"]) == (207, "queued")
    assert (bad["error"]["data"]["httpStatus"], bad["error"]["data"]["code"]) == (400, "BAD_REQUEST")
    assert (await world.rows())["generations"] == 1


@pytest.mark.stack
async def test_a_batch_without_a_good_token_is_one_failed_login(world: World) -> None:
    wrong = {"Authorization": "Bearer wrong", "X-Forwarded-For": "203.0.113.41"}
    path = "/api/trpc/nothing," + ",".join(["tryOn.list"] * 9)

    replies = [await world.client.get(f"{path}?batch=1", headers=wrong) for _ in range(FAILED_LOGINS_PER_MINUTE + 1)]

    assert {reply.status_code for reply in replies[:-1]} == {401}
    assert replies[0].json()["error"]["data"]["code"] == "UNAUTHORIZED"
    assert replies[-1].status_code == 429


@pytest.mark.stack
@pytest.mark.parametrize("asking", [{"trpc-accept": "application/jsonl"}, {"Accept": "*/*, application/jsonl"}])
async def test_a_stream_promises_every_call_and_then_keeps_each_promise(
    world: World, user: Headers, asking: Headers
) -> None:
    """The lines that ``httpBatchStreamLink`` reads."""
    reply = await create(world, user, PICTURES, {"imageUrls": []}, more=asking)

    head, *lines = [json.loads(line) for line in reply.text.splitlines()]
    kept = {index: value for index, status, [[value]] in lines if status == 0}
    assert (reply.status_code, reply.headers["Content-Type"]) == (200, "application/json")
    assert head == {"0": [[0], [None, 0, 0]], "1": [[0], [None, 0, 1]]}
    assert kept[0]["result"]["data"]["status"] == "queued"
    assert kept[1]["error"]["data"]["code"] == "BAD_REQUEST"


@pytest.mark.stack
async def test_a_stream_of_a_stranger_is_refused_before_anything_is_made(world: World) -> None:
    asking = {"trpc-accept": "application/jsonl"}
    stranger = await create(world, {}, PICTURES, more=asking)
    single = await world.client.post("/api/trpc/tryOn.create", headers=(await world.user())[1] | asking, json=PICTURES)

    assert (stranger.status_code, stranger.json()["error"]["data"]["code"]) == (401, "UNAUTHORIZED")
    assert (single.status_code, single.json()["error"]["data"]["code"]) == (400, "BAD_REQUEST")
    assert set((await world.rows()).values()) == {0}
