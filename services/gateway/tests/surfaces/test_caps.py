"""Caps at the gateway: who spends travels with the request, a refusal says which cap, operators set them, owners see
them and are told when they are reached."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from atelier_contracts import CapReached, CapUse, GenerationRequested, Owner, SetCap, Spender, cap_id_of
from atelier_contracts.routes import BILLING_CAPS, ROUTES
from atelier_gateway.subscriptions.facts import book_facts

from ..support.caps import refuse_by_cap
from ..support.native import IMAGE
from ..support.webhook_receiver import open_receiver
from ..support.webhooks import make, wait_for_messages
from ..support.workspace import team_of
from ..support.world import ADMIN, World

pytestmark = pytest.mark.stack
NATIVE = "/v1/generations"


def requested(world: World) -> GenerationRequested:
    (request,) = [e.message for e in world.neighbours.heard if isinstance(e.message, GenerationRequested)][-1:]
    return request


async def key_of(world: World, store: UUID) -> UUID:
    listed = await world.operations.get(f"/v1/admin/stores/{store}/keys", headers=ADMIN)
    return UUID(listed.json()["data"][0]["id"])


async def test_the_key_and_the_member_travel_with_the_request_and_a_user_alone_needs_neither(world: World) -> None:
    store, headers = await world.store()
    team, (_, person) = await team_of(world), await world.user()

    await world.client.post(NATIVE, headers=headers, json=IMAGE)
    assert requested(world).spenders == (Spender(kind="key", id=await key_of(world, store)),)
    await world.client.post(NATIVE, headers=team.headers, json=IMAGE)
    assert requested(world).spenders == (Spender(kind="user", id=team.user),)
    await world.client.post(NATIVE, headers=person, json=IMAGE)
    assert requested(world).spenders == ()


async def test_a_refusal_says_which_cap_how_much_of_it_is_used_by_what_and_until_when(world: World) -> None:
    store, headers = await world.store()
    world.neighbours.answer = refuse_by_cap
    keyed = headers | {"Idempotency-Key": "capped"}

    refused = await world.client.post(NATIVE, headers=keyed, json=IMAGE)
    again = await world.client.post(NATIVE, headers=keyed, json=IMAGE)

    assert (refused.status_code, again.status_code) == (402, 402)
    assert again.content == refused.content
    body, key = refused.json(), str(await key_of(world, store))
    assert (body["code"], body["required"]) == ("cap_exceeded", 1)
    cap = body["cap"]
    assert (cap["spender"], cap["period"]) == ({"kind": "key", "id": key}, "day")
    assert (cap["credits"], cap["held"], cap["captured"], cap["remaining"]) == (7, 3, 4, 0)
    assert cap["renews_at"] == "2026-01-02T00:00:00Z"
    assert body["detail"] == (
        f"1 credit required; the cap of the key {key} is 7 credits a day, of which 3 held and 4 captured; "
        "it renews at 2026-01-02T00:00:00Z."
    )
    assert (await world.rows())["generations"] == 0


def path_of(kind: str, owner: UUID, spender: str, id_: UUID, period: str) -> str:
    return f"/v1/admin/caps/{kind}/{owner}/{spender}/{id_}/{period}"


async def test_an_operator_sets_and_removes_caps_and_each_act_is_a_row(world: World) -> None:
    store, _ = await world.store()
    key = await key_of(world, store)
    path = path_of("store", store, "key", key, "day")

    put = await world.operations.put(path, headers=ADMIN, json={"credits": 100})
    gone = await world.operations.delete(path, headers=ADMIN)

    owner, spender = Owner(kind="store", id=store), Spender(kind="key", id=key)
    assert put.status_code == 200
    assert put.json()["id"] == str(cap_id_of(owner, spender, "day"))
    assert (put.json()["credits"], put.json()["held"], put.json()["remaining"]) == (100, 2, 98)
    assert gone.status_code == 204
    commands = [e.message for e in world.neighbours.heard if isinstance(e.message, SetCap)]
    assert [(c.owner, c.spender, c.period, c.credits) for c in commands] == [
        (owner, spender, "day", 100),
        (owner, spender, "day", None),
    ]
    rows = (await world.operations.get("/v1/admin/acts", headers=ADMIN, params={"target": str(store)})).json()["data"]
    assert [row["act"] for row in rows[:2]] == ["caps.remove", "caps.set"]
    assert rows[1]["details"]["spender"] == {"kind": "key", "id": str(key)}


async def test_a_cap_is_set_on_nobody_elses_key_member_or_period(world: World) -> None:
    (store, _), (other, _), team = await world.store(), await world.store(), await team_of(world)
    foreign = await key_of(world, other)
    unknown = [
        path_of("store", store, "key", foreign, "day"),
        path_of("store", store, "user", team.user, "day"),
        path_of("workspace", team.id, "user", uuid4(), "day"),
        path_of("store", uuid4(), "store", uuid4(), "day"),
        path_of("store", store, "store", store, "week"),
        path_of("shop", store, "store", store, "day"),
    ]

    answers = [await world.operations.put(path, headers=ADMIN, json={"credits": 1}) for path in unknown]

    assert [answer.status_code for answer in answers] == [404] * len(unknown)
    known = path_of("workspace", team.id, "user", team.user, "month"), path_of("store", store, "store", store, "day")
    for path in known:
        assert (await world.operations.put(path, headers=ADMIN, json={"credits": 1})).status_code == 200
    assert not [e for e in world.neighbours.heard if isinstance(e.message, SetCap) and e.message.owner.id == other]


async def test_an_owner_sees_the_caps_of_the_account_and_no_others(world: World) -> None:
    store, headers = await world.store()
    _, others = await world.store()
    use = _use(Owner(kind="store", id=store))
    world.neighbours.records[f"accounts/store/{store}/caps"] = [use.model_dump(mode="json")]

    mine = (await world.client.get("/v1/caps", headers=headers)).json()
    theirs = (await world.client.get("/v1/caps", headers=others)).json()
    operators = await world.operations.get(f"/v1/admin/caps/store/{store}", headers=ADMIN)

    (cap,) = mine["data"]
    assert (cap["id"], cap["credits"], cap["remaining"]) == (str(use.id), 10, 2)
    assert theirs == {"data": [], "next_cursor": None}
    assert operators.json() == mine


def _use(owner: Owner) -> CapUse:
    spender = Spender(kind=owner.kind, id=owner.id)
    id_ = cap_id_of(owner, spender, "month")
    return CapUse(id=id_, owner=owner, spender=spender, period="month", credits=10, held=1, captured=7)


async def test_a_cap_that_is_reached_is_sent_to_the_webhooks_of_its_account(world: World) -> None:
    (store, headers), (_, others) = await world.store(), await world.store()
    use = _use(Owner(kind="store", id=store))
    async with open_receiver() as receiver, open_receiver() as elsewhere:
        await make(world, headers, receiver.url, events=["cap.reached"])
        await make(world, headers, elsewhere.url, events=["generation.failed"])
        await make(world, others, elsewhere.url)
        await world.neighbours.say(CapReached(cap_id=use.id, percent=80, cap=use))
        await wait_for_messages(world, receiver, 1)

    (message,) = receiver.got
    assert (message.type, message.data["percent"]) == ("cap.reached", 80)
    assert (message.data["cap"]["held"], message.data["cap"]["captured"]) == (1, 7)
    assert elsewhere.got == []


def test_a_cap_that_is_reached_is_a_public_event() -> None:
    use = _use(Owner(kind="store", id=uuid4()))

    (fact,) = book_facts([(CapReached(cap_id=use.id, percent=50, cap=use), datetime(2026, 1, 1, tzinfo=UTC), None)])

    assert fact.type == "credits.cap_reached.v1"
    assert fact.subject == use.id
    assert fact.data["owner"] == {"kind": "store", "id": str(use.owner.id)}
    assert (fact.data["percent"], fact.data["credits"], fact.data["held"], fact.data["captured"]) == (50, 10, 1, 7)


def test_caps_have_a_queue_of_their_own() -> None:
    assert ROUTES[BILLING_CAPS] == (SetCap,)
