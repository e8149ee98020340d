"""``/docs``: the book, and a page for each surface from the OpenAPI that is served. Pages load only their own style."""

from functools import cache
from pathlib import Path

from fastapi import APIRouter
from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response

from atelier_gateway.pages.book import Book, open_book
from atelier_gateway.pages.reference import Field, marked, slug, surfaces
from atelier_gateway.web.problems import not_found

__all__ = ["Field", "marked", "page", "router", "slug", "surfaces"]

HERE = Path(__file__).parent
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
}
READ = ["GET", "HEAD"]
QUERY_CHARS_MAX = 100
_templates = Environment(
    loader=FileSystemLoader(HERE), autoescape=select_autoescape(), trim_blocks=True, lstrip_blocks=True
)
_style, _icon = (HERE / "style.css").read_bytes(), (HERE / "icon.svg").read_bytes()


def router() -> APIRouter:
    """The pages; public, and the same for everybody."""
    routes = APIRouter(prefix="/docs", include_in_schema=False)

    @routes.api_route("/style.css", methods=READ)
    async def style() -> Response:
        return Response(_style, media_type="text/css")

    @routes.api_route("/icon.svg", methods=READ)
    async def icon() -> Response:
        return Response(_icon, media_type="image/svg+xml")

    @routes.api_route("/search", methods=READ)
    async def search(request: Request, q: str = "") -> Response:
        query = q[:QUERY_CHARS_MAX].strip()
        return page("search.html", request, query=query, hits=_book().search(query))

    @routes.api_route("/api", methods=READ)
    async def reference_index(request: Request) -> Response:
        return page("reference_index.html", request, surfaces=surfaces(request.app.openapi()), here="api")

    @routes.api_route("/api/{name}", methods=READ)
    async def reference(request: Request, name: str) -> Response:
        known = surfaces(request.app.openapi())
        for surface in known:
            if slug(surface.tag) == name:
                return page("reference_page.html", request, surface=surface, surfaces=known, here="api")
        raise not_found("page")

    @routes.api_route("", methods=READ)
    async def index(request: Request) -> Response:
        return _chapter(request, "")

    @routes.api_route("/{path:path}", methods=READ)
    async def chapter(request: Request, path: str) -> Response:
        return _chapter(request, path)

    return routes


def page(template: str, request: Request, **values: object) -> HTMLResponse:
    """A page of this folder, which loads nothing but its own style and pictures, and runs nothing."""
    html = _templates.get_template(template).render(
        slug=slug, marked=marked, title=request.app.title, parts=_book().parts, **values
    )
    return HTMLResponse(html, headers=HEADERS)


@cache
def _book() -> Book:
    return open_book()


def _chapter(request: Request, path: str) -> Response:
    book = _book()
    if path in book.files:
        return FileResponse(book.files[path], headers=HEADERS)
    chapter = book.chapters.get(path.rstrip("/"))
    if chapter is None:
        raise not_found("page")
    before, after = book.neighbours(chapter)
    text = book.rendered(chapter)
    return page("chapter.html", request, chapter=chapter, here=chapter.path, text=text, before=before, after=after)
