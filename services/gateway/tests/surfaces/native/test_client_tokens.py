"""Client tokens: a page creates, follows and reads what its end user may, and costs no more than its cap."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from atelier_contracts import Artefact, Owner
from atelier_gateway.generations import admission
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.surfaces.native import event_stream
from atelier_storage.keys import artefact_key

from ...support.client_tokens import CAP, mint, page
from ...support.event_streams import until_row
from ...support.native import IMAGE, create, fail, success
from ...support.neighbours import decline
from ...support.uploads import image_bytes, upload_image
from ...support.world import World

pytestmark = pytest.mark.stack
PRICE = 3


async def ask(world: World, headers: dict[str, str], **changes: Any) -> httpx.Response:
    return await world.client.post("/v1/generations", headers=headers, json=IMAGE | changes)


async def left(world: World, headers: dict[str, str]) -> dict[str, int]:
    shown = await world.client.get("/v1/client-tokens/current", headers=headers)
    assert shown.status_code == 200, shown.text
    credits: dict[str, int] = shown.json()["credits"]
    return credits


async def test_a_page_creates_follows_and_reads_and_the_store_sees_for_whom(world: World) -> None:
    store, key = await world.store()
    shopper = page(await mint(world, key))

    generation = await create(world, shopper)
    following = asyncio.create_task(world.client.get(f"/v1/generations/{generation}/events", headers=shopper))
    await fail(world, key, generation)

    assert "event: failed" in (await following).text
    for headers in (shopper, key):
        shown = (await world.client.get(f"/v1/generations/{generation}", headers=headers)).json()
        assert (shown["id"], shown["end_user"]) == (str(generation), "customer-7")
        listed = (await world.client.get("/v1/generations", headers=headers)).json()["data"]
        assert [each["id"] for each in listed] == [str(generation)]
    owner = await world.pool.fetchrow("SELECT owner_kind, owner_id FROM generations WHERE id = $1", generation)
    assert owner and tuple(owner) == ("store", store)


async def test_many_requests_at_once_never_take_more_than_the_cap(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "BATCH_MAX", 1)  # each in a transaction of its own
    _, key = await world.store()
    tokens = [page(await mint(world, key, end_user=None, credits=cap)) for cap in (CAP, 10)]

    answers = await asyncio.gather(*(ask(world, tokens[i % 2]) for i in range(20)))

    made = [[a for a in answers[i::2] if a.status_code == 201] for i in range(2)]
    assert [len(each) for each in made] == [2, 3]
    refused = [a for a in answers if a.status_code != 201]
    assert {(a.status_code, a.json()["code"]) for a in refused} == {(402, "token_cap_reached")}
    assert refused[0].json()["required"] == PRICE
    assert await world.rows() == {"generations": 5, "idempotency": 0, "outbox": 0}
    assert [await left(world, token) for token in tokens] == [
        {"cap": CAP, "used": 6, "left": 0},
        {"cap": 10, "used": 9, "left": 1},
    ]


async def test_what_is_refunded_can_be_spent_again_and_what_is_charged_cannot_even_if_it_is_deleted(
    world: World,
) -> None:
    store, key = await world.store()
    shopper = page(await mint(world, key, credits=PRICE))

    await fail(world, key, await create(world, shopper))
    second = await create(world, shopper)
    picture = Artefact(
        key=artefact_key("store", store, second, 0, "png"), content_type="image/png", size=1, sha256="00" * 32
    )
    ended = success(second, picture).model_copy(update={"captured": PRICE})
    await world.neighbours.say(ended)
    await until_row(world, second, "rank = 9")
    deleted = await world.client.delete(f"/v1/generations/{second}", headers=key)

    assert deleted.status_code == 204
    assert await left(world, shopper) == {"cap": PRICE, "used": PRICE, "left": 0}
    assert (await ask(world, shopper)).status_code == 402


async def test_a_refusal_by_the_cap_leaves_no_trace_and_its_key_can_be_used_again(world: World) -> None:
    _, key = await world.store()
    shopper = page(await mint(world, key, credits=PRICE)) | {"Idempotency-Key": "once"}

    refused = await ask(world, shopper, n=2)
    made = await ask(world, shopper)
    again = await ask(world, shopper)

    assert (refused.status_code, made.status_code) == (402, 201)
    assert again.content == made.content and again.headers["Idempotency-Replayed"] == "true"


async def test_a_declined_request_tells_a_page_nothing_of_the_stores_balance(world: World) -> None:
    _, key = await world.store()
    shopper = page(await mint(world, key))
    world.neighbours.answer = decline

    declined = await ask(world, shopper)

    assert (declined.status_code, declined.json()["code"]) == (402, "insufficient_credits")
    assert "available" not in declined.text
    assert (await ask(world, key)).json()["available"] == 0
    assert (await left(world, shopper))["used"] == 0


async def test_a_page_uploads_and_only_its_end_user_uses_that(world: World) -> None:
    _, key = await world.store()
    ana, bo = [page(await mint(world, key, end_user=name)) for name in ("ana", "bo")]
    photo = await upload_image(world, ana, image_bytes())
    body = {"kind": "image", "prompt": "a hat", "inputs": [{"role": "image", "key": photo["key"]}]}
    by_url = body | {"inputs": [{"role": "image", "url": photo["url"]}]}

    mine = await world.client.post("/v1/quotes", headers=ana, json=body)
    foreign = [await world.client.post("/v1/generations", headers=bo, json=named) for named in (body, by_url)]

    assert mine.status_code == 200, mine.text
    assert [(a.status_code, a.json()["errors"][0]["message"]) for a in foreign] == [
        (400, "There is no such upload.")
    ] * 2


async def test_of_one_end_user_a_later_token_reads_what_an_earlier_one_made(world: World) -> None:
    _, key = await world.store()
    first, second = [page(await mint(world, key)) for _ in range(2)]
    alone = page(await mint(world, key, end_user=None))
    generation = await create(world, first)

    seen = [
        (await world.client.get(f"/v1/generations/{generation}", headers=headers)).status_code
        for headers in (second, alone)
    ]

    assert seen == [200, 404]


async def test_a_token_has_rates_of_its_own_within_its_keys(world: World) -> None:
    _, key = await world.store()
    shopper, other = [page(await mint(world, key, end_user=name)) for name in ("ana", "bo")]
    per_minute = world.container.settings.client_token_requests_per_minute

    codes = [
        (await world.client.post("/v1/quotes", headers=shopper, json=IMAGE)).status_code for _ in range(per_minute + 2)
    ]
    others = await world.client.post("/v1/quotes", headers=other, json=IMAGE)
    stores = await world.client.post("/v1/quotes", headers=key, json=IMAGE)

    assert codes == [200] * per_minute + [429, 429]
    assert others.status_code == stores.status_code == 200
    taken = per_minute + 2 + 2  # and two tokens were made
    assert f'"native-owner";r={600 - taken};' in stores.headers["RateLimit"]


async def test_a_store_lists_and_revokes_its_tokens_and_sees_what_they_used(world: World) -> None:
    _, key = await world.store()
    token = await mint(world, key, kinds=["image"], minutes=3)
    await create(world, page(token))

    (listed,) = (await world.client.get("/v1/client-tokens", headers=key)).json()["data"]
    revoked = await world.client.delete(f"/v1/client-tokens/{token['id']}", headers=key)
    after = (await world.client.get(f"/v1/client-tokens/{token['id']}", headers=key)).json()

    assert "token" not in listed and token["token"].startswith(listed["prefix"])
    assert (listed["is_live"], listed["kinds"], listed["credits"]["used"]) == (True, ["image"], PRICE)
    assert revoked.status_code == 204 and after["is_live"] is False
    assert (await ask(world, page(token))).status_code == 401


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"minutes": 61}, "minutes"),
        ({"credits": 0}, "credits"),
        ({"credits": None}, "credits"),
        ({"origins": ["shop.example"]}, "origins.0"),
        ({"origins": ["*"]}, "origins.0"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["admin"]}, "scopes.0"),
        ({"kinds": ["song"]}, "kinds.0"),
        ({"store_id": str(UUID(int=1))}, "store_id"),
    ],
)
async def test_a_token_that_could_do_more_is_not_made(world: World, change: dict[str, Any], field: str) -> None:
    _, key = await world.store()

    refused = await world.client.post("/v1/client-tokens", headers=key, json={"credits": 5} | change)

    assert refused.status_code == 400 and refused.json()["errors"][0]["field"] == field
    assert await world.pool.fetchval("SELECT count(*) FROM client_tokens") == 0


async def test_a_stream_ends_with_its_token(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "LOOK_EVERY_S", 0.01)
    _, key = await world.store()
    token = await mint(world, key)
    generation = await create(world, page(token))
    path = f"/v1/generations/{generation}/events"
    following = asyncio.create_task(world.client.get(path, headers=page(token)))
    await asyncio.sleep(0)

    await world.client.delete(f"/v1/client-tokens/{token['id']}", headers=key)
    text = (await following).text

    assert "failed" not in text and "succeeded" not in text


async def test_one_end_user_cannot_take_the_streams_of_the_others(world: World) -> None:
    streams = event_stream.Streams(total_max=100, of_owner_max=100)
    _, key = await world.store()
    clients = world.container.authenticator.clients
    ana, bo = [await _principal(clients, await mint(world, key, end_user=name)) for name in ("ana", "bo")]
    waiting = [streams.count(ana, _endless()) for _ in range(event_stream.OF_AUDIENCE_MAX)]
    for chunks in waiting:
        await anext(chunks)

    streams.check(bo)
    with pytest.raises(Exception, match="Too many event streams"):
        streams.check(ana)
    await waiting[0].aclose()
    streams.check(ana)


async def _endless() -> AsyncGenerator[str]:
    while True:
        yield str(uuid4())


async def _principal(clients: Any, token: dict[str, Any]) -> Any:
    found = await clients.find_live(token["token"])
    return Principal(Owner(kind="store", id=found.store_id), "b2b", found)
