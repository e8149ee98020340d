"""What a client token cannot be used for by any holder: one test for each row of the threat model."""

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo
from typing import Any

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from atelier_gateway.identity import client_tokens
from atelier_gateway.identity.ttl_cache import CACHE_TTL_S
from atelier_telemetry.tracing import SpanRules

from ...support.client_tokens import SHOP, mint, page
from ...support.native import IMAGE, create, fail
from ...support.world import World

pytestmark = pytest.mark.stack
STREAM = "/v1/generations/{id}/events"
TAKING = {
    ("post", "/v1/generations"),
    ("get", "/v1/generations"),
    ("get", "/v1/generations/{id}"),
    ("get", STREAM),
    ("get", "/v1/generations/{id}/receipt"),
    ("post", "/v1/generations/{id}/cancel"),
    ("post", "/v1/quotes"),
    ("post", "/v1/uploads"),
    ("get", "/v1/capabilities"),
    ("get", "/v1/client-tokens/current"),
}
OPEN = ("/problems/", "/.well-known/", "/v1/log/")
"""Paths that need no credential."""
METHODS = ("get", "post", "put", "patch", "delete")


def in_query(token: dict[str, Any]) -> str:
    return f"client_token={token['token']}"


async def ask(world: World, headers: dict[str, str], **changes: Any) -> httpx.Response:
    return await world.client.post("/v1/generations", headers=headers, json=IMAGE | changes)


async def test_no_other_route_takes_a_client_token(world: World) -> None:
    """Minting, keys, balances, webhooks, deletions, every other surface: read off the document of the API."""
    _, key = await world.store()
    token = await mint(world, key)
    generation = await create(world, page(token))
    paths = (await world.public.get("/openapi.json")).json()["paths"]
    before = await world.rows()

    answers: dict[tuple[str, str, str], int] = {}
    for path, operations in paths.items():
        for method in set(METHODS) & set(operations):
            if (method, path) in TAKING or path.startswith(OPEN) or (method, path) == ("get", "/api/generate"):
                continue
            url = path.replace("{id}", str(generation)).replace("{model}", "x")
            body: dict[str, Any] | None = None if method in ("get", "delete") else {}
            for header, credential in (("Authorization", f"Bearer {token['token']}"), ("X-API-Key", token["token"])):
                sent = {header: credential, "Origin": SHOP, "X-Forwarded-For": f"198.18.1.{len(answers) % 250}"}
                answered = await world.public.request(method.upper(), url, headers=sent, json=body)
                answers[method, path, header] = answered.status_code

    assert len(answers) > 60
    assert {key: status for key, status in answers.items() if status not in (401, 403)} == {}
    assert await world.rows() == before


async def test_a_token_never_makes_another_and_never_lists_or_revokes_one(world: World) -> None:
    _, key = await world.store()
    token = await mint(world, key)

    answers = [
        await world.client.post("/v1/client-tokens", headers=page(token), json={"credits": 1}),
        await world.client.get("/v1/client-tokens", headers=page(token)),
        await world.client.delete(f"/v1/client-tokens/{token['id']}", headers=page(token)),
    ]

    assert [answer.status_code for answer in answers] == [401] * 3
    assert await world.pool.fetchval("SELECT count(*) FROM client_tokens WHERE revoked_at IS NULL") == 1


async def test_an_expired_token_is_refused_to_the_second(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Although it was read and believed a moment ago."""
    _, key = await world.store()
    token = await mint(world, key, minutes=1)
    generation = await create(world, page(token))
    at = datetime.fromisoformat(token["expires_at"])

    for now, expected in ((at - timedelta(seconds=1), 200), (at, 401)):
        monkeypatch.setattr(client_tokens, "datetime", _clock_at(now))
        answer = await world.client.get(f"/v1/generations/{generation}", headers=page(token))
        assert answer.status_code == expected
    made = await ask(world, page(token))

    assert made.status_code == 401
    assert made.headers["Access-Control-Allow-Origin"] == SHOP, "its page learns that it needs another one"


def _clock_at(moment: datetime) -> type[datetime]:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return moment.astimezone(tz)

    return Clock


FOREIGN = ["https://evil.example", "http://shop.example", f"{SHOP}.evil.example", "null", None]


@pytest.mark.parametrize("origin", FOREIGN)
async def test_a_page_of_another_origin_gets_nothing(world: World, origin: str | None) -> None:
    _, key = await world.store()
    token = await mint(world, key)
    generation = await create(world, page(token))
    headers = {"Authorization": f"Bearer {token['token']}"} | ({"Origin": origin} if origin else {})

    made, read = await ask(world, headers), await world.client.get(f"/v1/generations/{generation}", headers=headers)
    streamed = await world.client.get(
        f"/v1/generations/{generation}/events?{in_query(token)}", headers={"Origin": origin} if origin else {}
    )

    for answer in (made, read, streamed):
        assert (answer.status_code, answer.json()["code"]) == (403, "origin_refused")
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert await world.pool.fetchval("SELECT count(*) FROM generations") == 1


async def test_another_end_users_generation_is_as_unknown_as_anothers(world: World) -> None:
    _, key = await world.store()
    mine, theirs = [page(await mint(world, key, end_user=name)) for name in ("ana", "bo")]
    of_store, of_bo = await create(world, key), await create(world, theirs)

    for generation in (of_store, of_bo):
        for path in ("", "/events", "/receipt"):
            assert (await world.client.get(f"/v1/generations/{generation}{path}", headers=mine)).status_code == 404
        cancelled = await world.client.post(f"/v1/generations/{generation}/cancel", headers=mine)
        assert cancelled.status_code == 404
    assert (await world.client.get("/v1/generations", headers=mine)).json()["data"] == []


async def test_an_idempotency_key_of_another_end_user_is_another_key(world: World) -> None:
    _, key = await world.store()
    callers = [page(await mint(world, key, end_user=name)) for name in ("ana", "bo")]

    answers = [await ask(world, headers | {"Idempotency-Key": "order-1"}) for headers in (*callers, key)]

    assert [answer.status_code for answer in answers] == [201] * 3
    assert len({answer.json()["id"] for answer in answers}) == 3


@pytest.mark.parametrize(
    "wish",
    [
        {"kind": "try_on", "prompt": None},
        {"webhook_url": "https://shop.example/hook"},
        {"priority": "high"},
        {"charge": "on_delivery"},
        {"store": 24},
        {"reuse": True},
    ],
    ids=lambda wish: next(iter(wish)),
)
async def test_a_token_decides_nothing_that_is_the_stores(world: World, wish: dict[str, Any]) -> None:
    _, key = await world.store()
    token = await mint(world, key, kinds=["image"])

    refused = await ask(world, page(token), **wish)

    assert (refused.status_code, refused.json()["code"]) == (403, "token_scope")
    assert await world.pool.fetchval("SELECT count(*) FROM generations") == 0


async def test_a_token_that_may_only_create_reads_nothing_and_one_that_may_only_read_creates_nothing(
    world: World,
) -> None:
    _, key = await world.store()
    creates, reads = [page(await mint(world, key, scopes=[scope])) for scope in ("create", "read")]
    generation = await create(world, creates)

    refused = [
        await world.client.get(f"/v1/generations/{generation}", headers=creates),
        await world.client.get("/v1/generations", headers=creates),
        await ask(world, reads),
        await world.client.post("/v1/uploads", headers=reads, json={}),
    ]

    assert [(a.status_code, a.json()["code"]) for a in refused] == [(403, "token_scope")] * 4
    assert (await world.client.get(f"/v1/generations/{generation}", headers=reads)).status_code == 200


async def test_in_the_query_a_token_is_taken_by_event_streams_alone(world: World) -> None:
    _, key = await world.store()
    token = await mint(world, key)
    generation = await create(world, page(token))
    await fail(world, key, generation)
    pages, followed = {"Origin": SHOP}, f"/v1/generations/{generation}"

    stream = await world.client.get(f"{followed}/events?{in_query(token)}", headers=pages)
    others = []
    for method, path in sorted(TAKING - {("get", STREAM)}):
        url = f"{path.format(id=generation)}?{in_query(token)}"
        others.append(await world.client.request(method, url, headers=pages, json=IMAGE if method == "post" else None))
    with_key = await world.client.get(f"{followed}/events?client_token={key['X-API-Key']}")

    assert stream.status_code == 200 and stream.headers["Access-Control-Allow-Origin"] == SHOP
    assert [answer.status_code for answer in (*others, with_key)] == [401] * (len(TAKING))
    assert await world.pool.fetchval("SELECT count(*) FROM generations") == 1


@pytest.mark.parametrize("what", ["token", "key", "store"])
async def test_after_a_revocation_nothing_is_made_at_once_and_nothing_is_read_after_5_s(
    world: World, what: str
) -> None:
    """Revoked in another process: this one still believes the token for as long as keys may be believed."""
    store, key = await world.store()
    token = await mint(world, key)
    generation = await create(world, page(token))
    revoke = {
        "token": "UPDATE client_tokens SET revoked_at = now() WHERE store_id = $1",
        "key": "UPDATE api_keys SET revoked_at = now() WHERE store_id = $1",
        "store": "UPDATE stores SET suspended_at = now() WHERE id = $1",
    }
    await world.pool.execute(revoke[what], store)

    made = await ask(world, page(token))
    world.container.authenticator.clients.clear_cache()  # as CACHE_TTL_S does
    read = await world.client.get(f"/v1/generations/{generation}", headers=page(token))

    assert made.status_code == 401 and await world.pool.fetchval("SELECT count(*) FROM generations") == 1
    assert read.status_code == (403 if what == "store" else 401)
    assert CACHE_TTL_S < 5


@pytest.fixture
def spans(world: World) -> Iterator[InMemorySpanExporter]:
    """What a collector would get while the test runs, whichever test of the process installed the provider."""
    assert world.container
    provider = trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    provider.add_span_processor(SpanRules())
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield exporter
    exporter.shutdown()


async def test_a_token_in_a_query_is_in_no_log_span_metric_error_or_referrer(
    world: World, caplog: pytest.LogCaptureFixture, spans: InMemorySpanExporter
) -> None:
    _, key = await world.store()
    token = await mint(world, key)
    secret = token["token"]
    generation = await create(world, page(token))
    await fail(world, key, generation)
    caplog.set_level(logging.DEBUG)

    paths = (f"/v1/generations/{generation}/events", "/v1/generations/unknown/events", f"/v1/generations/{generation}")
    answers = [
        await world.client.get(f"{path}?{in_query(token)}", headers={"Origin": origin})
        for path in paths
        for origin in (SHOP, "https://evil.example")
    ]
    metrics = (await world.operations.get("/metrics")).text

    assert {answer.status_code for answer in answers} == {200, 401, 403, 404}
    logged = " ".join(str(vars(record)) for record in caplog.records if not record.name.startswith("httpx"))
    assert f"/v1/generations/{generation}/events" in logged
    told = "".join(answer.text + str(answer.headers) for answer in answers)
    traced = " ".join(span.to_json() for span in spans.get_finished_spans())
    assert f"/v1/generations/{generation}/events" in traced
    for where in (logged, metrics, told, traced):
        assert secret not in where and secret.rpartition("_")[2] not in where
    assert {answer.headers["Referrer-Policy"] for answer in answers} == {"no-referrer"}
