"""OpenAI's files and batches by the installed client: its types hold, its lists page, its errors are raised."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI
from openai.types import Batch

from atelier_gateway.surfaces.openai.parameters import OPERATIONS

from ...support.batches import ORDER, begun, jsonl, lines, reject, willing
from ...support.world import World

pytestmark = pytest.mark.stack
ENDED = ("completed", "failed", "cancelled", "expired")


@pytest.fixture
async def client(world: World) -> AsyncIterator[AsyncOpenAI]:
    """The stock client of a store."""
    willing(world)
    _, headers = await world.store()
    http: Any = httpx.AsyncClient(transport=httpx.ASGITransport(world.listeners.public), timeout=30)
    async with AsyncOpenAI(
        base_url="http://gateway/v1", api_key=headers["X-API-Key"], max_retries=0, http_client=http
    ) as opened:
        yield opened


async def upload(client: AsyncOpenAI, found: list[dict[str, Any]] | bytes, **more: Any) -> str:
    content = found if isinstance(found, bytes) else jsonl(found)
    return (await client.files.create(file=("lines.jsonl", content), purpose="batch", **more)).id


async def run(world: World, client: AsyncOpenAI, file: str, **more: Any) -> Batch:
    """The batch of the file once it has ended."""
    made = await client.batches.create(**{**ORDER, "input_file_id": file, **more})
    assert (made.status, made.object, made.endpoint) == ("validating", "batch", more.get("endpoint", ORDER["endpoint"]))
    now = made

    async def has_ended() -> bool:
        nonlocal now
        now = await client.batches.retrieve(made.id)
        return now.status in ENDED

    await world.until(has_ended)
    return now


async def read(client: AsyncOpenAI, file: str | None) -> list[dict[str, Any]]:
    assert file is not None
    content = (await client.files.content(file)).text
    known = await client.files.retrieve(file)
    assert (known.bytes, known.purpose) == (len(content.encode()), "batch_output")
    return [json.loads(line) for line in content.splitlines()]


async def test_lines_become_pictures_and_failures_come_in_a_file_of_their_own(
    world: World, client: AsyncOpenAI
) -> None:
    done = await run(world, client, await upload(client, lines(5, failing=2)), metadata={"season": "spring"})

    assert (done.status, done.metadata) == ("completed", {"season": "spring"})
    assert done.request_counts is not None
    assert (done.request_counts.total, done.request_counts.completed, done.request_counts.failed) == (5, 3, 2)
    output, errors = await read(client, done.output_file_id), await read(client, done.error_file_id)
    assert [line["custom_id"] for line in output] == ["line-2", "line-3", "line-4"]
    assert {line["response"]["status_code"] for line in output} == {200}
    assert all(line["error"] is None and line["response"]["body"]["data"][0]["url"] for line in output)
    assert [line["custom_id"] for line in errors] == ["line-0", "line-1"]
    refused = errors[0]["response"]
    assert (refused["status_code"], refused["body"]["error"]["code"]) == (400, "content_policy_violation")
    assert sorted(begun(world).values()) == [1] * 5


async def test_what_a_line_asked_for_as_base64_comes_as_base64(world: World, client: AsyncOpenAI) -> None:
    done = await run(world, client, await upload(client, lines(2, response_format="b64_json")))

    output = await read(client, done.output_file_id)
    assert [line["response"]["body"]["data"] for line in output] == [[{"b64_json": "cG5n"}]] * 2


async def test_lines_that_are_wrong_are_named_by_their_numbers_and_nothing_begins(
    world: World, client: AsyncOpenAI
) -> None:
    good, double = lines(2)
    wrong = [
        jsonl([good]),
        b"{not json\n",
        jsonl([double | {"custom_id": good["custom_id"]}]),
        jsonl([good | {"custom_id": "c", "url": "/v1/chat/completions"}]),
        jsonl([good | {"custom_id": "d", "body": good["body"] | {"size": "3x3"}}]),
        jsonl([good | {"custom_id": "e", "body": good["body"] | {"stream": True}}]),
    ]

    done = await run(world, client, await upload(client, b"".join(wrong)))

    assert done.status == "failed" and done.errors is not None and done.errors.data is not None
    said = [(error.line, error.code, error.param) for error in done.errors.data]
    assert said == [
        (2, "invalid_value", None),
        (3, "duplicate_custom_id", "custom_id"),
        (4, "invalid_value", "url"),
        (5, "invalid_value", "body.size"),
        (6, "invalid_value", "body.stream"),
    ]
    assert not begun(world)


async def test_a_batch_that_the_balance_does_not_pay_fails_before_anything_begins(
    world: World, client: AsyncOpenAI
) -> None:
    world.neighbours.balance = 2

    done = await run(world, client, await upload(client, lines(3)))

    assert done.status == "failed" and done.errors is not None and done.errors.data is not None
    assert [error.code for error in done.errors.data] == ["insufficient_quota"]
    assert not begun(world)


async def test_rows_that_find_no_credits_half_way_fail_with_that_reason(world: World, client: AsyncOpenAI) -> None:
    admitting = world.neighbours.answer
    admitted: set[Any] = set()

    def answer(request: Any) -> Any:
        if len(admitted) >= 2 and request.generation_id not in admitted:
            return reject(request)
        admitted.add(request.generation_id)
        return admitting(request)

    world.neighbours.answer = answer

    done = await run(world, client, await upload(client, lines(6)))

    assert done.request_counts is not None
    assert (done.status, done.request_counts.completed, done.request_counts.failed) == ("completed", 2, 4)
    errors = await read(client, done.error_file_id)
    assert {line["response"]["body"]["error"]["code"] for line in errors} == {"insufficient_quota"}
    assert {line["response"]["status_code"] for line in errors} == {429}


async def test_files_are_listed_shown_and_deleted(client: AsyncOpenAI) -> None:
    first, second = [await upload(client, lines(number)) for number in (1, 2)]

    newest = [file.id async for file in client.files.list(limit=1)]
    oldest = [file.id async for file in client.files.list(order="asc", purpose="batch")]
    other = [file.id async for file in client.files.list(purpose="batch_output")]
    content = (await client.files.content(first)).content
    deleted = await client.files.delete(first)

    assert (newest, oldest, other) == ([second, first], [first, second], [])
    assert content == jsonl(lines(1)) and (await client.files.wait_for_processing(second)).status == "processed"
    assert (deleted.id, deleted.deleted) == (first, True)
    with pytest.raises(openai.NotFoundError):
        await client.files.retrieve(first)
    with pytest.raises(openai.NotFoundError):
        await client.batches.create(**{**ORDER, "input_file_id": first})


async def test_batches_are_listed_page_by_page(world: World, client: AsyncOpenAI) -> None:
    file = await upload(client, lines(1))
    made = [(await client.batches.create(**{**ORDER, "input_file_id": file})).id for _ in range(3)]

    listed = [batch.id async for batch in client.batches.list(limit=2)]

    assert listed == made[::-1]
    with pytest.raises(openai.BadRequestError):
        await client.batches.list(limit=1000)


async def test_an_expiry_is_kept_and_a_strange_one_refused(world: World, client: AsyncOpenAI) -> None:
    expiry: Any = {"anchor": "created_at", "seconds": 3_600}
    file = await client.files.create(file=("a.jsonl", jsonl(lines(1))), purpose="batch", expires_after=expiry)
    done = await run(world, client, file.id, output_expires_after=expiry)

    output = await client.files.retrieve(str(done.output_file_id))

    assert file.expires_at is not None and file.expires_at - file.created_at == 3_600
    assert output.expires_at is not None and output.expires_at - output.created_at == 3_600
    with pytest.raises(openai.BadRequestError) as refused:
        await client.files.create(
            file=("a.jsonl", b"{}"), purpose="batch", expires_after={"anchor": "created_at", "seconds": 5}
        )
    assert refused.value.param == "expires_after[seconds]"


@pytest.mark.parametrize("purpose", sorted(OPERATIONS["files.create"].parameters["purpose"].refused))
async def test_files_for_other_purposes_are_refused_with_the_reason(client: AsyncOpenAI, purpose: Any) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await client.files.create(file=("a.jsonl", b"{}"), purpose=purpose)

    assert (refused.value.param, "batches of pictures" in refused.value.message) == ("purpose", True)


@pytest.mark.parametrize("endpoint", sorted(OPERATIONS["batches.create"].parameters["endpoint"].refused))
async def test_batches_of_other_endpoints_are_refused_with_the_reason(client: AsyncOpenAI, endpoint: Any) -> None:
    file = await upload(client, lines(1))

    with pytest.raises(openai.BadRequestError) as refused:
        await client.batches.create(endpoint=endpoint, completion_window="24h", input_file_id=file)

    assert (refused.value.param, "batches are of pictures" in refused.value.message) == ("endpoint", True)


async def test_an_automatic_retry_of_a_create_is_answered_with_the_first_batch(
    world: World, client: AsyncOpenAI
) -> None:
    file = await upload(client, lines(1))
    first = await client.batches.create(**{**ORDER, "input_file_id": file})

    again = await client.batches.create(
        **{**ORDER, "input_file_id": file}, extra_headers={"x-stainless-retry-count": "1"}
    )

    assert again.id == first.id


async def test_edits_name_their_pictures_by_url(world: World, client: AsyncOpenAI) -> None:
    body = {"prompt": "a hat", "images": [{"image_url": "https://cdn.shop-pictures.net/me.png"}]}
    line = {"custom_id": "e", "method": "POST", "url": "/v1/images/edits", "body": body}

    done = await run(world, client, await upload(client, [line]), endpoint="/v1/images/edits")

    assert done.request_counts is not None and done.request_counts.completed == 1
    request = await world.pool.fetchval("SELECT request -> 'spec' -> 'inputs' FROM generations")
    assert [(given["role"], given["url"]) for given in request] == [("image", body["images"][0]["image_url"])]  # type: ignore[index]
