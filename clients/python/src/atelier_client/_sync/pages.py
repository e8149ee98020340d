"""Walks through a list that the service gives page by page."""

from collections.abc import Iterator, Mapping
from typing import Any

from atelier_client._sync.transport import Transport
from atelier_client.route import Route


def list_all(transport: Transport, route: Route, query: Mapping[str, Any], id: str | None = None) -> Iterator[Any]:
    """Every item; a page is fetched when the one before it is used up."""
    cursor: str | None = None
    while True:
        page = transport.call(route, id, query={**query, "cursor": cursor})
        for item in page["data"]:
            yield item
        cursor = page["next_cursor"]
        if cursor is None:
            return
