"""Hot routes, answered in front of the framework's router: its layers cost more than the work of such a request.

They stand behind the same middleware as every route, and each is also declared to the framework, which documents it and
answers other methods at its path. Paths are matched whole, or with one ``{id}`` as their last segment.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from atelier_gateway.web.problems import Problem

FOUND = "atelier.direct_route"
"""Key of the scope: the route that answers the request, and its id."""
ID_SEGMENT = "/{id}"


@dataclass(frozen=True, slots=True)
class DirectRoute:
    """One operation. ``answer`` gets the request, and the id where the path ends in ``{id}``; it may raise Problem."""

    method: str
    path: str
    answer: Callable[..., Awaitable[Response]]


class DirectRoutes:
    """The direct routes of one listener, found by two look-ups whatever their number."""

    def __init__(self) -> None:
        self._exact: dict[tuple[str, str], DirectRoute] = {}
        self._by_parent: dict[tuple[str, str], DirectRoute] = {}

    def __iter__(self) -> Iterator[DirectRoute]:
        yield from self._exact.values()
        yield from self._by_parent.values()

    def add(self, routes: Iterable[DirectRoute]) -> None:
        """Answers these directly from now on."""
        for route in routes:
            if route.path.endswith(ID_SEGMENT):
                self._by_parent[route.method, route.path.removesuffix(ID_SEGMENT)] = route
            else:
                self._exact[route.method, route.path] = route

    def find(self, method: str, path: str) -> tuple[DirectRoute, str | None] | None:
        """The route of this request and the id in its path."""
        if (route := self._exact.get((method, path))) is not None:
            return route, None
        parent, _, id_ = path.rpartition("/")
        route = self._by_parent.get((method, parent)) if id_ else None
        return (route, id_) if route is not None else None


class DirectAnswers:
    """Middleware, the innermost: answers what was found to have a direct route, and hands on the rest."""

    def __init__(self, app: ASGIApp, *, shape_of: Callable[[str], Callable[[Problem], Response]]) -> None:
        self._app = app
        self._shape_of = shape_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        found: tuple[DirectRoute, str | None] | None = scope.get(FOUND)
        if found is None:
            return await self._app(scope, receive, send)
        route, id_ = found
        request = Request(scope, receive, send)
        try:
            response = await (route.answer(request) if id_ is None else route.answer(request, id_))
        except Problem as error:
            response = self._shape_of(scope["path"])(error)
        await response(scope, receive, send)
