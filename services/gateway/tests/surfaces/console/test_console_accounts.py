"""Pages of accounts, books and events: what is shown, and acts that are calls of the admin API."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from atelier_contracts import GrantCredit, ReturnCredit, TakeBackCredit
from atelier_gateway.surfaces.console.act_table import ACTS
from atelier_gateway.surfaces.console.routes import PAGES

from ...support.console import Desk, Forms
from ...support.operators import renew
from ...support.world import ADMIN, World

pytestmark = pytest.mark.stack


@pytest.fixture(autouse=True)
async def only_the_first_operator(world: World) -> AsyncIterator[None]:
    """After each test, with the token of the settings."""
    yield
    await renew(world)


async def acts(world: World, target: object) -> list[dict[str, Any]]:
    listed = await world.operations.get("/v1/admin/acts", headers=ADMIN, params={"target": str(target)})
    return list(listed.json()["data"])


async def test_every_page_answers_a_viewer_without_one_form_of_an_act(world: World) -> None:
    store, _ = await world.store()
    user, _ = await world.user()
    viewer = await Desk.of(world, "viewer")
    paths = [path for path in PAGES if "{" not in path] + [f"/accounts/store/{store}", f"/accounts/user/{user}"]

    for path in paths:
        page = await viewer.read(path)
        assert page.status_code == 200, (path, page.text)
        assert [address for address, _ in Forms(page.text).forms if "/acts/" in address] == [], path


async def test_a_grant_is_given_once_however_often_its_form_is_sent(world: World) -> None:
    store, _ = await world.store()
    desk = await Desk.of(world)
    form = await desk.form(f"/accounts/store/{store}", "grant")
    assert form is not None
    form |= {"credits": "40", "reason": "December, ticket 17"}

    answers = [await desk.send("grant", form) for _ in range(2)]

    assert [answer.headers.get("location") for answer in answers] == [f"/console/accounts/store/{store}?done=grant"] * 2
    given = [e.message for e in world.neighbours.heard if isinstance(e.message, GrantCredit)]
    assert [grant.credits for grant in given] == [40]
    (act,) = [act for act in await acts(world, store) if act["act"] == "credits.grant"]
    assert act["details"]["reason"] == "December, ticket 17"


async def test_what_a_store_spent_today_is_added_up_where_it_is_asked_for(world: World) -> None:
    store, _ = await world.store()
    row = {"generations": 4, "reserved": 12, "captured": 9, "refunded": 3, "returned": 2}
    world.neighbours.records[f"accounts/store/{store}/usage"] = [row]
    desk = await Desk.of(world)

    plain, today = await desk.read(f"/accounts/store/{store}"), await desk.read(f"/accounts/store/{store}", usage="day")

    assert "<strong>7</strong> credits for 4 generations" in today.text
    assert "<strong>7</strong>" not in plain.text and len(world.neighbours.usage_asked) == 1


async def test_a_key_is_revoked_with_a_reason_and_its_page_says_by_whom(world: World) -> None:
    store, headers = await world.store()
    desk = await Desk.of(world)
    form = await desk.form(f"/accounts/store/{store}", "revoke-key")
    assert form is not None

    done = await desk.send("revoke-key", form | {"reason": "it leaked – twice"})

    assert done.status_code == 303
    assert (await world.client.get("/v1/credits", headers=headers)).status_code == 401
    audit = await desk.read("/acts", act="key.revoke", target=str(store))
    assert "it leaked – twice" in audit.text and "Ana" in audit.text


async def test_a_new_key_is_shown_once(world: World) -> None:
    store, _ = await world.store()
    desk = await Desk.of(world)
    form = await desk.form(f"/accounts/store/{store}", "create-key")
    assert form is not None

    shown = await desk.send("create-key", form | {"name": "nightly import", "reason": "they asked"})

    secret = shown.text.split("atl_")[1].split("<")[0].split("_")[1]
    assert shown.status_code == 200 and len(secret) == 64
    assert secret not in (await desk.read(f"/accounts/store/{store}")).text


@pytest.mark.parametrize(
    ("act", "undo", "shown"), [("suspend", "restore", "suspended"), ("disable-user", "enable-user", "disabled")]
)
async def test_an_account_is_shut_and_opened_again(world: World, act: str, undo: str, shown: str) -> None:
    kind = "user" if "user" in act else "store"
    id_ = (await world.user())[0] if kind == "user" else (await world.store())[0]
    desk, path = await Desk.of(world), f"/accounts/{kind}/{id_}"

    for name, is_shut in ((act, True), (undo, False)):
        form = await desk.form(path, name)
        assert form is not None
        assert (await desk.send(name, form | {"reason": "ticket 18"})).status_code == 303
        assert (f'<span class="state bad">{shown}</span>' in (await desk.read(path)).text) is is_shut

    assert {row["details"]["reason"] for row in (await acts(world, id_))[:2]} == {"ticket 18"}


async def test_a_form_that_lacks_a_field_or_names_no_act_does_nothing(world: World) -> None:
    store, _ = await world.store()
    desk = await Desk.of(world)
    form = await desk.form(f"/accounts/store/{store}", "grant")
    assert form is not None
    form["reason"] = "why not"

    lacking = await desk.send("create-key", form)
    refused = await desk.send("grant", form | {"credits": "-5"})
    unknown = await desk.send("burn-it-down", form)
    elsewhere = await desk.send("suspend", form | {"id": f"../operators/{uuid4()}"})

    assert [answer.status_code for answer in (lacking, refused, unknown, elsewhere)] == [400, 400, 404, 404]
    assert [row["act"] for row in await acts(world, store)] == ["store.create"]


@pytest.mark.parametrize("credits", ["1e2", "2,5", "-3"])
async def test_an_amount_that_is_no_number_is_refused_and_not_taken_for_all(world: World, credits: str) -> None:
    store, headers = await world.store()
    generation = UUID((await world.create(headers)).json()["data"]["session_id"])
    world.neighbours.records[f"holds/{generation}"] = {"captured": 5, "unit_credits": 5, "reused": False}
    desk = await Desk.of(world)
    grant = await desk.form(f"/accounts/store/{store}", "grant")
    assert grant is not None
    sent = grant | {"generation_id": str(generation), "credits": credits, "reason": "ticket 19"}

    answers = [await desk.send(act, sent | {"key": uuid4().hex}) for act in ("return", "take-back")]

    heard = [e.message for e in world.neighbours.heard if isinstance(e.message, ReturnCredit | TakeBackCredit)]
    assert ([answer.status_code for answer in answers], heard) == ([400, 400], [])


def test_every_act_is_a_route_of_the_admin_api(world: World) -> None:
    known = {
        (method.upper(), path.removeprefix("/v1/admin").replace("{user_id}", "{id}"))
        for path, routes in world.listeners.operations.openapi()["paths"].items()
        for method in routes
    }

    assert [name for name, act in ACTS.items() if (act.method, act.path) not in known] == []
