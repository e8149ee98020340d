"""``/play`` runs its own files only, reaches what it needs and no more, and can be switched off."""

import html.parser
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from atelier_gateway.pages import play
from atelier_gateway.surfaces import play as surface
from atelier_gateway.web.problems import Problem

from ..support.world import World

ORIGIN = "https://objects.example"
ASSETS = Path(play.__file__).parent / "assets"


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    app = FastAPI()
    app.include_router(play.router(ORIGIN))
    with TestClient(app) as client:
        yield client


class Page(html.parser.HTMLParser):
    """The elements of a page with their attributes, and the text inside scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inline: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside in ("script", "style") and data.strip():
            self.inline.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""


def test_the_page_may_run_its_own_files_and_reach_this_gateway_and_the_objects_only(client: TestClient) -> None:
    policy = dict(
        part.strip().split(" ", 1) for part in client.get("/play").headers["Content-Security-Policy"].split(";")
    )

    assert policy["default-src"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["connect-src"] == f"'self' {ORIGIN}"
    assert policy["img-src"] == f"'self' blob: {ORIGIN}"
    assert policy["require-trusted-types-for"] == "'script'"
    assert not any("unsafe" in value or "*" in value for value in policy.values())


def test_nothing_is_inline_and_every_file_of_the_page_has_the_hash_that_it_names(client: TestClient) -> None:
    page = Page(client.get("/play").text)

    files = {
        address: attributes
        for _, attributes in page.elements
        if (address := attributes.get("src") or attributes.get("href")) and address.startswith("/play/")
    }
    assert {Path(address).name for address in files} == {file.name for file in ASSETS.iterdir()}
    for address, attributes in files.items():
        answer = client.get(address)
        assert attributes["integrity"] == play.integrity(answer.content)
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert page.inline == []
    assert not [
        name for _, attributes in page.elements for name in attributes if name.startswith("on") or name == "style"
    ]
    links = [
        str(address) for _, attributes in page.elements for address in (attributes.get("href"), attributes.get("src"))
    ]
    assert not [link for link in links if "//" in link]


def test_a_file_of_another_version_is_not_served(client: TestClient) -> None:
    with pytest.raises(Problem, match="not_found"):
        client.get("/play/0000000000000000/main.js")


def test_no_script_reads_markup_or_writes_the_credential_anywhere_but_into_this_tab() -> None:
    scripts = {file.name: file.read_text() for file in ASSETS.glob("*.js")}

    sinks = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|Function\(|document\.cookie")
    assert {name: found for name, text in scripts.items() if (found := sinks.findall(text))} == {}
    assert [name for name, text in scripts.items() if "sessionStorage" in text] == ["main.js"]


def test_without_a_script_the_page_says_what_it_is_and_where_the_docs_are(client: TestClient) -> None:
    text = client.get("/play").text

    (fallback,) = re.findall(r"<noscript>(.*?)</noscript>", text, re.DOTALL)
    assert "JavaScript" in fallback
    assert 'href="/docs/start/quickstart"' in fallback
    assert re.search(r'<form id="sign-in"[^>]* hidden', text)


def test_a_setting_switches_it_off() -> None:
    def paths(setting: str) -> list[str]:
        parts: Any = SimpleNamespace(
            settings=SimpleNamespace(play=setting), objects=SimpleNamespace(public_origin=ORIGIN)
        )
        return [route.path for route in surface.router(parts).routes]  # type: ignore[attr-defined]

    assert "/play" in paths("on")
    assert paths("off") == []


@pytest.mark.stack
async def test_the_public_listener_has_the_page_and_the_operators_one_has_not(world: World) -> None:
    public: httpx.AsyncClient = world.public
    operations: httpx.AsyncClient = world.operations

    assert (await public.get("/play")).status_code == 200
    assert (await public.head("/play")).status_code == 200
    assert (await operations.get("/play")).status_code == 404
