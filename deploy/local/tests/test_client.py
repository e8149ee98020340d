"""The client against canned answers: each shape of refusal becomes one sentence, and secrets stay where they belong."""

import json
from collections.abc import Callable

import httpx
import pytest

from atelier_local.api_client.api_models import TryOn
from atelier_local.api_client.client import (
    AdminClient,
    ApiUnreachable,
    Client,
    RequestRefused,
    new_traceparent,
    refusal_of,
)
from atelier_local.errors import AtelierError

URL = "http://gateway.test"


def answer_with(client: Client | AdminClient, answer: Callable[[httpx.Request], httpx.Response]) -> None:
    """Puts canned answers in place of the network."""
    client._http = httpx.AsyncClient(base_url=URL, headers=client._http.headers, transport=httpx.MockTransport(answer))


def test_a_problem_json_becomes_one_sentence_with_its_code() -> None:
    answer = httpx.Response(
        402, json={"detail": "This costs 1 credits, 0 are available.", "code": "insufficient_credits"}
    )

    refused = refusal_of("request the try-on", answer)

    assert str(refused) == (
        "Could not request the try-on: This costs 1 credits, 0 are available (402 insufficient_credits)."
    )


def test_the_stores_envelope_is_read_too() -> None:
    body = {"data": None, "error": {"code": "NOT_FOUND", "message": "There is no such generation."}}

    refused = refusal_of("read the generation", httpx.Response(404, json=body))

    assert (refused.status, refused.code, refused.detail) == (404, "not_found", "There is no such generation.")


@pytest.mark.parametrize("content", [b"<html>502</html>", b"[1]", b"", b'{"error": "plain"}'])
def test_an_answer_of_no_known_shape_still_makes_a_sentence(content: bytes) -> None:
    assert str(refusal_of("verify the ledger", httpx.Response(502, content=content))) == (
        "Could not verify the ledger: the response gives no reason (502 bad_gateway)."
    )


async def test_nobody_listening_names_the_address_and_the_remedy() -> None:
    async with AdminClient("http://127.0.0.1:1", "token") as admin:
        with pytest.raises(ApiUnreachable, match=r"nothing answers at http://127\.0\.0\.1:1; `make up`"):
            await admin.verify_ledger()


async def test_an_answer_without_a_promised_field_is_named_not_passed_on() -> None:
    async with AdminClient(URL, "token") as admin:
        answer_with(admin, lambda request: httpx.Response(200, json={"ok": True}))

        with pytest.raises(AtelierError, match=r"The API's Verdict cannot be read: accounts: Field required"):
            await admin.verify_ledger()


async def test_an_upload_puts_the_bytes_and_never_shows_the_key_to_the_object_store() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if request.method == "PUT":
            return httpx.Response(200)
        offer = {
            "key": "stores/1/uploads/a.png",
            "upload_url": "http://objects.test/a.png?signature=1",
            "method": "PUT",
            "headers": {"Content-Type": "image/png"},
            "url": "http://objects.test/a.png",
        }
        return httpx.Response(201, json={"data": offer, "error": None})

    async with Client(URL, "atl_secret") as client:
        answer_with(client, answer)
        upload = await client.upload("a.png", "image/png", b"bytes")

    asked, put = seen
    assert upload.key == "stores/1/uploads/a.png"
    assert json.loads(asked.content) == {"filename": "a.png", "content_type": "image/png", "size_bytes": 5}
    assert asked.headers["Authorization"] == "Bearer atl_secret"
    assert put.content == b"bytes"
    assert "Authorization" not in put.headers


async def test_follow_tells_each_state_once_and_ends_with_the_last() -> None:
    answers = iter(["queued", "queued", "processing", "processing", "completed"])

    async with Client(URL, "key") as client:
        answer_with(
            client,
            lambda request: httpx.Response(
                200, json={"data": {"session_id": "1", "status": next(answers)}, "error": None}
            ),
        )
        first = TryOn(session_id="1", status="queued")
        states = [now.status async for now in client.follow(first, every_s=0)]

    assert states == ["processing", "completed"]


async def test_follow_gives_up_with_the_state_it_was_left_in() -> None:
    async with Client(URL, "key") as client:
        answer_with(
            client,
            lambda request: httpx.Response(200, json={"data": {"session_id": "1", "status": "queued"}, "error": None}),
        )

        with pytest.raises(AtelierError, match=r"The generation 1 is still queued after 0 s\."):
            [now async for now in client.follow(TryOn(session_id="1", status="queued"), every_s=0, within_s=0.001)]


def test_a_refusal_is_caught_as_the_one_kind_of_failure_a_person_sees() -> None:
    assert issubclass(RequestRefused, AtelierError)


def test_each_traceparent_is_sampled_and_new() -> None:
    (one, header), (other, _) = new_traceparent(), new_traceparent()

    assert one != other
    assert header.split("-")[:2] == ["00", one]
    assert header.endswith("-01")
