"""``/play``: a page that tries the API out in a browser. It calls the public API only, as any client could."""

from collections.abc import Mapping
from pathlib import Path

from fastapi import APIRouter
from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.responses import HTMLResponse, Response

from atelier_contracts.narration import LANGUAGES
from atelier_gateway.pages.assets import Assets, integrity
from atelier_gateway.pages.policy import policy_headers

__all__ = ["integrity", "page_headers", "router"]

HERE = Path(__file__).parent
READ = ["GET", "HEAD"]
ENTRY, THEME = "main.js", "theme.js"
_templates = Environment(loader=FileSystemLoader(HERE), autoescape=select_autoescape(), trim_blocks=True)


def router(object_origin: str) -> APIRouter:
    """The page and its files. ``object_origin`` is where browsers put uploads and read outputs, as ``https://host``."""
    assets = Assets(HERE / "assets", "/play")
    page = _render(assets)
    routes = APIRouter(prefix="/play", include_in_schema=False)
    headers = page_headers(object_origin)

    @routes.api_route("", methods=READ)
    async def play() -> Response:
        return HTMLResponse(page, headers=headers)

    @routes.api_route("/{version}/{name}", methods=READ)
    async def file(version: str, name: str) -> Response:
        return assets.respond(version, name)

    return routes


def page_headers(object_origin: str) -> Mapping[str, str]:
    """What the page may do: run its own files, call this gateway, and reach the objects."""
    opened = {
        "connect-src": f"'self' {object_origin}",
        "img-src": f"'self' blob: {object_origin}",
        "media-src": object_origin,
    }
    return policy_headers(opened, referrer="no-referrer", cache="no-cache")


def _render(assets: Assets) -> str:
    def listed(suffix: str) -> list[tuple[str, str]]:
        return [assets.link(name) for name in assets if name.endswith(suffix) and name not in (ENTRY, THEME)]

    return _templates.get_template("play.html").render(
        styles=listed(".css"),
        modules=listed(".js"),
        entry=assets.link(ENTRY),
        theme=assets.link(THEME),
        languages=LANGUAGES,
    )
