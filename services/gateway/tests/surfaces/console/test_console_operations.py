"""Pages of failures, providers, webhooks and the upgrade, and the acts that are done there."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from atelier_contracts import Owner
from atelier_gateway.surfaces.console.failures import bounds_of
from atelier_gateway.surfaces.console.generations import viewers_of

from ...support.console import CONSOLE, Desk
from ...support.native import IMAGE, create, fail
from ...support.operators import renew
from ...support.world import World
from ..admin.test_admin_operations import STANDING, deliver

pytestmark = pytest.mark.stack


@pytest.fixture(autouse=True)
async def only_the_first_operator(world: World) -> AsyncIterator[None]:
    """After each test, with the token of the settings."""
    yield
    await renew(world)


async def test_what_failed_is_shown_by_cause_and_who_was_refused_with_the_reason(world: World) -> None:
    store, key = await world.store()
    failed = await create(world, key)
    await fail(world, key, failed)
    await world.client.post("/v1/generations", headers=key, json=IMAGE | {"size": "7x7"})
    await world.container.refusals.flush()
    desk = await Desk.of(world, "viewer")

    page = await desk.read("/failures", period="hour")
    account = await desk.read(f"/accounts/store/{store}")
    elsewhere = await desk.read("/failures", owner_id=str(uuid4()))

    assert "<strong>provider_failed</strong>" in page.text and f"/console/generations/{failed}" in page.text
    assert "<strong>invalid_request</strong>" in page.text and "<strong>invalid_request</strong>" in account.text
    assert (
        "None of this owner&#39;s in 30 days" in elsewhere.text or "None of this owner's in 30 days" in elsewhere.text
    )


async def test_one_that_was_declined_without_words_is_listed_and_shown(world: World) -> None:
    _, key = await world.store()
    declined = await create(world, key)
    await world.pool.execute(
        "UPDATE generations SET state = 'rejected', rank = 9, error = $2 WHERE id = $1",
        declined,
        {"code": "insufficient_credits", "required": 10, "available": 0},
    )
    desk = await Desk.of(world, "viewer")

    listed, shown = await desk.read("/generations"), await desk.read(f"/generations/{declined}")

    assert (listed.status_code, shown.status_code) == (200, 200)
    assert "insufficient_credits" in listed.text and "insufficient_credits" in shown.text


@pytest.mark.parametrize(
    ("now", "since", "until"),
    [
        ("2026-11-30T03:00", "2026-11-29T18:00", "2026-11-30T03:00"),
        ("2026-11-30T08:59", "2026-11-29T18:00", "2026-11-30T08:59"),
        ("2026-11-30T14:00", "2026-11-29T18:00", "2026-11-30T09:00"),
        ("2026-11-30T18:00", "2026-11-30T18:00", "2026-11-30T18:00"),
    ],
)
def test_the_last_night_is_the_one_that_goes_on_or_the_one_before(now: str, since: str, until: str) -> None:
    found = bounds_of("night", datetime.fromisoformat(now).replace(tzinfo=UTC))

    assert [f"{at:%Y-%m-%dT%H:%M}" for at in found] == [since, until]


async def test_a_breaker_is_held_from_its_page_and_a_viewer_sees_no_form(world: World) -> None:
    world.neighbours.records |= {
        "providers": {"providers": [STANDING]},
        "providers/unknown": {"submissions": []},
        "providers/openai/breaker": {"state": "open"},
    }
    desk, viewer = await Desk.of(world), await Desk.of(world, "viewer")
    form = await desk.form("/providers", "hold-breaker")
    assert form is not None and await viewer.form("/providers", "hold-breaker") is None

    done = await desk.send("hold-breaker", form | {"minutes": "30", "reason": "it answers garbage"})
    wrong = await desk.send("hold-breaker", form | {"minutes": "soon", "reason": "why not", "key": uuid4().hex})

    assert (done.status_code, wrong.status_code) == (303, 400)
    (order,) = [body for method, _, body in world.neighbours.provider_calls if method == "PUT"]
    assert (order["state"], order["seconds"], order["operator"]) == ("open", 1_800, "Ana")
    page = (await desk.read("/providers")).text
    assert "1.50 s" in page and "25.0 %" in page


async def test_a_generation_is_rendered_again_from_its_page_and_both_pages_say_so(world: World) -> None:
    _, key = await world.store()
    first = await create(world, key)
    await fail(world, key, first)
    desk = await Desk.of(world)
    form = await desk.form(f"/generations/{first}", "rerender")
    assert form is not None

    for _ in range(2):
        assert (await desk.send("rerender", form | {"reason": "three arms"})).status_code == 303

    (new,) = [row["generation_id"] for row in await world.pool.fetch("SELECT generation_id FROM rerenders")]
    assert f"/console/generations/{new}" in (await desk.read(f"/generations/{first}")).text
    made = (await desk.read(f"/generations/{new}")).text
    assert f"/console/generations/{first}" in made and "three arms" in made


async def test_pages_say_what_is_missing_while_nobody_answers(world: World) -> None:
    desk = await Desk.of(world)

    pages = {path: (await desk.read(path)).text for path in ("/providers", "/upgrade", "/books", "/webhooks")}

    assert "The render service does not answer" in pages["/providers"]
    assert "render does not answer" in pages["/upgrade"] and "billing does not answer" in pages["/upgrade"]
    assert "The billing service does not answer" in pages["/books"]
    assert "None match." in pages["/webhooks"]
    single = await desk.read("/webhooks", delivery="nonsense")
    assert single.status_code == 200 and "There is no such delivery" in single.text


async def test_a_delivery_is_found_and_shown_with_its_tries(world: World) -> None:

    store, _ = await world.store()
    id_ = await deliver(world, Owner(kind="store", id=store), "failed")
    desk = await Desk.of(world)

    found = await desk.read("/search", q=str(id_))
    page = await desk.read("/webhooks", delivery=str(id_))

    assert found.headers["location"] == f"{CONSOLE}/webhooks?delivery={id_}"
    assert "hooks.shop.net" in page.text and "secret" not in page.text and "It was not tried yet." in page.text


def test_pages_of_trace_and_logs_are_made_of_the_settings_and_left_out_where_an_id_is_missing() -> None:
    pages = {
        "trace": "https://t.example/#trace={trace_id}",
        "logs": "https://l.example/?q={generation_id}&r={request_id}",
    }

    whole = viewers_of(pages, {"trace_id": "ab", "request_id": "a b"}, "id")
    partly = viewers_of(pages, {"trace_id": None, "request_id": None}, "id")

    assert whole == {"trace": "https://t.example/#trace=ab", "logs": "https://l.example/?q=id&r=a%20b"}
    assert partly == {} and viewers_of({"trace": ""}, {}, "id") == {}
