"""The console's doors: sign-in, roles, forms of other sites, text that is markup."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from atelier_gateway.surfaces.console.routes import PAGES
from atelier_gateway.surfaces.console.sessions import COOKIE, SessionSigner

from ...support.console import CONSOLE, Desk
from ...support.native import IMAGE, create
from ...support.operators import OPERATORS, renew
from ...support.world import ADMIN, World

pytestmark = pytest.mark.stack
HOSTILE = """<img src=x onerror="window.hit=1"><script>window.hit=1</script>"'>"""


@pytest.fixture(autouse=True)
async def only_the_first_operator(world: World) -> AsyncIterator[None]:
    """After each test, with the token of the settings."""
    yield
    await renew(world)


async def acts(world: World, **filters: str) -> list[dict[str, Any]]:
    return list((await world.operations.get("/v1/admin/acts", headers=ADMIN, params=filters)).json()["data"])


async def test_nothing_is_shown_before_a_sign_in_and_the_asked_page_after_it(world: World) -> None:
    for path in PAGES:
        asked = await world.operations.get(f"{CONSOLE}{path.replace('{id}', 'x').replace('{kind}', 'store')}")
        assert (asked.status_code, asked.headers["location"][:14]) == (303, "/console/login"), path

    desk = await Desk.of(world)
    signed_in = await desk.sign_in(next="/console/generations?state=open")

    assert signed_in.headers["location"] == "/console/generations?state=open"
    assert (await desk.read("/generations", state="open")).status_code == 200


async def test_the_cookie_is_for_this_console_alone_and_scripts_cannot_read_it(world: World) -> None:
    desk = await Desk.of(world)

    cookie = (await desk.sign_in()).headers["set-cookie"]

    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Path=/console", "Max-Age=28800"))
    assert desk.token not in cookie
    assert (await world.public.get(CONSOLE)).status_code == 404


async def test_a_wrong_token_is_refused_and_a_few_too_many_are_limited(world: World) -> None:
    desk = Desk(world, "ato_wrong")

    answers = [await desk.sign_in() for _ in range(40)]

    assert answers[0].status_code == 401 and "Not signed in" in answers[0].text
    assert answers[-1].status_code == 429
    assert desk.cookies == {}


@pytest.mark.parametrize("how", ["revoked", "replaced"])
async def test_a_session_ends_with_its_operators_access_and_with_their_token(world: World, how: str) -> None:
    desk = await Desk.of(world)
    id_ = (await world.operations.get(f"{OPERATORS}/me", headers={"Authorization": f"Bearer {desk.token}"})).json()[
        "id"
    ]
    assert (await desk.read()).status_code == 200

    if how == "revoked":
        await world.operations.delete(f"{OPERATORS}/{id_}", headers=ADMIN)
    else:
        await world.operations.post(f"{OPERATORS}/{id_}/token", headers=ADMIN)

    assert (await desk.read()).status_code == 303


async def test_a_session_ends_with_its_time_and_with_the_sign_out(world: World) -> None:
    desk = await Desk.of(world)
    signer = SessionSigner(world.container.settings.key_pepper.get_secret_value())
    operator = await world.container.operator_authenticator.authenticate_token(desk.token)
    out = await world.operations.post(f"{CONSOLE}/logout")
    desk.cookies = {COOKIE: signer.open(operator, datetime.now(UTC) - timedelta(hours=9))}

    assert (await desk.read()).status_code == 303
    assert "Max-Age=0" in out.headers["set-cookie"]


async def test_a_sign_out_ends_the_session_itself_and_no_other(world: World) -> None:
    desk = await Desk.of(world)
    copied = Desk(world, desk.token, dict(desk.cookies))
    elsewhere = Desk(world, desk.token)
    await elsewhere.sign_in()

    await world.operations.post(f"{CONSOLE}/logout", headers=desk._headers())

    assert (await copied.read()).status_code == 303
    assert (await elsewhere.read()).status_code == 200


async def test_a_viewer_sees_no_act_and_is_refused_one(world: World) -> None:
    viewer, person = await Desk.of(world, "viewer"), await Desk.of(world, "operator")
    _, store = await world.store()
    id_ = str(await create(world, store))

    form = await person.form(f"/generations/{id_}", "cancel")
    own = await viewer.form(f"/generations/{id_}", "cancel")
    assert form is not None and own is None
    session = SessionSigner(world.container.settings.key_pepper.get_secret_value())
    known = session.read(viewer.cookies[COOKIE], datetime.now(UTC))
    assert known is not None
    refused = await viewer.send("cancel", form | {"form_token": session.form_token(known), "reason": "because"})

    assert refused.status_code == 403 and "takes the role operator" in refused.text
    assert [act["act"] for act in await acts(world, target=id_)] == []


async def test_an_act_takes_the_sessions_own_form_and_a_reason(world: World) -> None:
    desk, other = await Desk.of(world), await Desk.of(world)
    _, store = await world.store()
    id_ = str(await create(world, store))
    form = await desk.form(f"/generations/{id_}", "cancel")
    foreign = await other.form(f"/generations/{id_}", "cancel")
    assert form is not None and foreign is not None
    form |= {"reason": "the customer asked"}

    refusals = [
        await desk.send("cancel", form | {"form_token": foreign["form_token"]}),
        await desk.send("cancel", {name: value for name, value in form.items() if name != "form_token"}),
        await desk.send("cancel", form, Sec_Fetch_Site="cross-site"),
        await desk.send("cancel", form | {"reason": "  "}),
    ]
    assert [answer.status_code for answer in refusals] == [403, 403, 403, 400]
    assert await acts(world, target=id_) == []

    done = await desk.send("cancel", form)

    assert (done.status_code, done.headers["location"]) == (303, f"/console/generations/{id_}?done=cancel")
    (act,) = await acts(world, target=id_)
    assert (act["act"], act["details"], act["operator"]["name"]) == (
        "generation.cancel",
        {"reason": "the customer asked"},
        "Ana",
    )
    assert act["request_id"] == done.headers["X-Request-Id"]
    assert "Cancelled. Its credits go back" in (await desk.read(f"/generations/{id_}", done="cancel")).text


async def test_text_that_is_markup_stays_text(world: World) -> None:
    desk = await Desk.of(world)
    store_id, store = await world.store(HOSTILE)
    id_ = str(await create(world, store, IMAGE | {"prompt": HOSTILE, "metadata": {"order": HOSTILE}}))

    pages = [
        await desk.read(f"/generations/{id_}"),
        await desk.read("/generations"),
        await desk.read("/search", q=HOSTILE),
        await desk.read("/acts", target=str(store_id)),
        await desk.read("/acts", act=HOSTILE),
    ]

    assert [page.status_code for page in pages] == [200] * 5
    for page in pages:
        assert "<script>window" not in page.text and "<img src=x" not in page.text
    assert "&lt;script&gt;window.hit=1" in pages[0].text


async def test_a_page_may_run_its_own_files_only(world: World) -> None:
    desk = await Desk.of(world)

    page = await desk.read()

    policy = dict(part.strip().split(" ", 1) for part in page.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert not any("unsafe" in value or "*" in value for value in policy.values())
    assert page.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("silent", ["session", "billing", "render"])
async def test_what_is_known_is_shown_while_a_service_is_silent_and_who_is_silent_is_said(
    world: World, silent: str
) -> None:
    desk = await Desk.of(world)
    _, store = await world.store()
    id_ = str(await create(world, store))
    roots = world.container.peers._roots
    before = roots[silent]
    roots[silent] = "http://127.0.0.1:9"
    try:
        overview, story = await desk.read(), await desk.read(f"/generations/{id_}")
    finally:
        roots[silent] = before

    for page in (overview, story):
        assert page.status_code == 200
        assert f"<strong>{silent} does not answer</strong>" in page.text
    assert "accepted an image over the native surface" in story.text
