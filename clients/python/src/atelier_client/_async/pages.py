"""Walks through a list that the service gives page by page."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from atelier_client._async.transport import AsyncTransport
from atelier_client.route import Route


async def list_all(
    transport: AsyncTransport, route: Route, query: Mapping[str, Any], id: str | None = None
) -> AsyncIterator[Any]:
    """Every item; a page is fetched when the one before it is used up."""
    cursor: str | None = None
    while True:
        page = await transport.call(route, id, query={**query, "cursor": cursor})
        for item in page["data"]:
            yield item
        cursor = page["next_cursor"]
        if cursor is None:
            return
