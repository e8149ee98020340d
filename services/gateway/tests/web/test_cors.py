"""Browsers may call the API from exactly the origins that the setting names, and from none by default."""

import httpx
import pytest
from fastapi import FastAPI

from atelier_gateway.surfaces.openapi_headers import ANSWER_HEADERS
from atelier_gateway.web.cors import origin_of

from ..support.client_tokens import mint, page
from ..support.documents import listeners
from ..support.settings import settings
from ..support.world import World

SHOP = "https://shop.example"
SETTING = "ATELIER_CORS_ORIGINS"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,idempotency-key"}


def client_of(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url="http://gateway", transport=httpx.ASGITransport(app))


async def test_a_page_of_a_named_origin_may_send_what_clients_send() -> None:
    public = client_of(listeners(**{SETTING: f"{SHOP},http://localhost:5173"}).public)

    for method in ("POST", "PATCH", "DELETE"):
        asked = PREFLIGHT | {"Origin": SHOP, "Access-Control-Request-Method": method}
        allowed = await public.options("/v1/generations", headers=asked)

        assert allowed.status_code == 200
        assert allowed.headers["Access-Control-Allow-Origin"] == SHOP
        assert "idempotency-key" in allowed.headers["Access-Control-Allow-Headers"]
        assert "Access-Control-Allow-Credentials" not in allowed.headers


@pytest.mark.parametrize("path", ["/openapi.json", "/v1/nothing", "/problems/nothing"])
async def test_a_page_of_a_named_origin_reads_every_answer_and_its_headers(path: str) -> None:
    public = client_of(listeners(**{SETTING: SHOP}).public)

    answer = await public.get(path, headers={"Origin": SHOP})

    assert answer.headers["Access-Control-Allow-Origin"] == SHOP
    assert answer.headers["Access-Control-Expose-Headers"].split(", ") == list(ANSWER_HEADERS)
    assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://shop.example", f"{SHOP}.evil.example", f"{SHOP}:8443", "null"]
)
async def test_another_origin_is_allowed_nothing(origin: str) -> None:
    public = client_of(listeners(**{SETTING: SHOP}).public)

    preflight = await public.options("/v1/generations", headers=PREFLIGHT | {"Origin": origin})
    answer = await public.get("/openapi.json", headers={"Origin": origin})

    assert preflight.status_code == 400
    assert "Access-Control-Allow-Origin" not in preflight.headers
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_by_default_no_origin_is_allowed_anything() -> None:
    public = client_of(listeners().public)

    preflight = await public.options("/v1/generations", headers=PREFLIGHT | {"Origin": SHOP})

    assert preflight.status_code == 405
    assert not [name for name in preflight.headers if name.startswith("access-control")]


@pytest.mark.stack
async def test_a_page_for_which_a_token_was_made_may_ask_and_others_may_not(world: World) -> None:
    _, key = await world.store()
    before = await world.public.options("/v1/generations", headers=PREFLIGHT | {"Origin": SHOP})
    token = await mint(world, key, origins=[SHOP])

    allowed = await world.public.options("/v1/generations", headers=PREFLIGHT | {"Origin": SHOP})
    other = await world.public.options("/v1/generations", headers=PREFLIGHT | {"Origin": f"{SHOP}.evil.example"})
    answer = await world.public.get("/v1/capabilities", headers=page(token))

    assert [asked.status_code for asked in (before, allowed, other)] == [405, 204, 405]
    assert allowed.headers["Access-Control-Allow-Origin"] == SHOP
    assert allowed.headers["Access-Control-Allow-Headers"] == "authorization,idempotency-key"
    assert "Access-Control-Allow-Credentials" not in allowed.headers
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP and "Origin" in answer.headers["Vary"]
    assert answer.headers["Access-Control-Expose-Headers"].split(", ") == list(ANSWER_HEADERS)


@pytest.mark.stack
async def test_an_origin_that_has_no_token_any_more_is_allowed_nothing(world: World) -> None:
    _, key = await world.store()
    shop = "https://once.example"
    token = await mint(world, key, origins=[shop])
    await world.client.delete(f"/v1/client-tokens/{token['id']}", headers=key)

    preflight = await world.public.options("/v1/generations", headers=PREFLIGHT | {"Origin": shop})

    assert preflight.status_code == 405 and "Access-Control-Allow-Origin" not in preflight.headers


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://api.example", "https://api.example"),
        ("https://api.example:443/atelier/", "https://api.example"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://API.example:80", "http://api.example"),
        ("https://api.example:8443", "https://api.example:8443"),
    ],
)
def test_the_origin_of_our_own_pages_is_as_browsers_write_it(url: str, origin: str) -> None:
    assert origin_of(url) == origin


async def test_the_operators_listener_is_for_no_page() -> None:
    operations = client_of(listeners(**{SETTING: SHOP}).operations)

    answer = await operations.get("/openapi.json", headers={"Origin": SHOP})

    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    "origins",
    [
        "*",
        "https://*.example",
        "shop.example",
        "https://shop.example/",
        "https://Shop.example",
        "https://shop.example:443",
        "https://user@shop.example",
        "null",
        "https://good.example,ftp://shop.example",
    ],
)
def test_what_no_browser_would_send_as_an_origin_stops_start_up(monkeypatch: pytest.MonkeyPatch, origins: str) -> None:
    with pytest.raises(ValueError, match="is no origin"):
        settings(monkeypatch, **{SETTING: origins})
