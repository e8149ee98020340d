"""Binding quotes at the gateway: billing signs them, a create hands one on, a refusal says why."""

from typing import Any

import pytest

from atelier_contracts import GenerationRequested

from ...support.caps import refuse_quote
from ...support.native import IMAGE
from ...support.world import World

pytestmark = pytest.mark.stack
QUOTES, GENERATIONS = "/v1/quotes", "/v1/generations"
SIGNED = {"quote": "e30.e30.c2ln", "credits": 3, "price_book": "v3", "expires_at": "2026-01-01T12:15:00Z"}


async def test_a_quote_is_what_billing_signs_for_this_owner_and_this_work(world: World) -> None:
    store, headers = await world.store()
    world.neighbours.records["quote"] = SIGNED

    answer = await world.client.post(QUOTES, headers=headers, json=IMAGE | {"n": 2})

    body = answer.json()
    assert answer.status_code == 200
    assert SIGNED.items() <= body.items()
    assert body["order"]["owner"] == {"kind": "store", "id": str(store)}
    assert (body["order"]["work"]["size"], body["order"]["work"]["n"]) == ("256x256", 2)


async def test_while_billing_does_not_answer_the_price_is_told_and_nothing_is_promised(world: World) -> None:
    _, headers = await world.store()

    answer = await world.client.post(QUOTES, headers=headers, json=IMAGE)

    expected = {"test": False, "quote": None, "credits": 3, "price_book": "v3", "expires_at": None}
    assert answer.json() == expected


async def test_a_create_hands_its_quote_on_and_one_without_has_none(world: World) -> None:
    _, headers = await world.store()

    for quote in (SIGNED["quote"], None):
        await world.client.post(GENERATIONS, headers=headers, json=IMAGE | ({"quote": quote} if quote else {}))

    requests = [e.message for e in world.neighbours.heard if isinstance(e.message, GenerationRequested)]
    assert [request.quote for request in requests] == [SIGNED["quote"], None]


async def test_a_quote_that_does_not_hold_is_422_with_its_reason_and_leaves_nothing(world: World) -> None:
    _, headers = await world.store()
    world.neighbours.answer = refuse_quote
    keyed = headers | {"Idempotency-Key": "quoted"}

    first, again = [
        await world.client.post(GENERATIONS, headers=keyed, json=IMAGE | {"quote": SIGNED["quote"]}) for _ in range(2)
    ]

    assert first.status_code == 422
    body = first.json()
    assert (body["code"], body["reason"]) == ("quote_refused", "expired")
    assert body["detail"] == "The quote has expired; create another one."
    assert again.content == first.content
    assert (await world.rows())["generations"] == 0


NO_QUOTES = {"empty": "", "word": "abc", "space": "a.b.c d", "long": "a" * 3_000, "number": 7}


@pytest.mark.parametrize("quote", NO_QUOTES.values(), ids=NO_QUOTES)
async def test_what_cannot_be_a_quote_is_400_naming_the_field(world: World, quote: Any) -> None:
    _, headers = await world.store()

    refused = await world.client.post(GENERATIONS, headers=headers, json=IMAGE | {"quote": quote})

    assert refused.status_code == 400
    assert refused.json()["errors"][0]["field"] == "quote"
