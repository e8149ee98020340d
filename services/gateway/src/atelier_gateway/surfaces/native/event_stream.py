"""Follows a generation live by server-sent events; a dropped connection resumes where it was (Last-Event-ID).

Each event is named by its status and carries ``{id, status, progress, at, metadata}``; the last one carries the whole
generation. Streams are bounded in number and in time, and end with the process; a browser reconnects by itself.
"""

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from atelier_gateway.container import Container
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.projection.event_log import ProjectionEvent
from atelier_gateway.projection.snapshot import RANKS, TERMINAL
from atelier_gateway.projection.store import Generation
from atelier_gateway.surfaces.native.generations import PREFIX, find_visible
from atelier_gateway.surfaces.native.responses import generation_view, metadata_of, status_of
from atelier_gateway.web.openapi_responses import OF_CLIENT_TOKENS, WORKSPACE, answers, header
from atelier_gateway.web.problems import Problem

STREAM_S_MAX = 600.0
HEARTBEAT_S = 15.0
LOOK_EVERY_S = 1.0
"""A change that another replica has projected is read after this long at most."""
RETRY_MS = 2_000
OF_AUDIENCE_MAX = 4
"""Streams of one end user's client tokens."""
_LAST_ID = re.compile(r"[0-9]{1,18}")

FOLLOWED = answers(
    {200: ("A stream of events.", None), 204: ("There is nothing more to tell.", None)},
    *("invalid_request", "not_found", *OF_CLIENT_TOKENS),
)
FOLLOWED[200]["content"] = {"text/event-stream": {"schema": {"type": "string"}}}
LAST_EVENT = header("Last-Event-ID", {"type": "string"}, "Go on after this event.")


class Streams:
    """How many streams are open, in total and for each owner."""

    def __init__(self, total_max: int, of_owner_max: int) -> None:
        self._total_max = total_max
        self._of_owner_max = of_owner_max
        self._open: Counter[UUID] = Counter()
        self._of_audience: Counter[tuple[UUID, str]] = Counter()

    def check(self, principal: Principal) -> None:
        """Raises Problem 503 when there is no room."""
        owner, audience = principal.owner.id, principal.audience
        is_full = self._open.total() >= self._total_max or self._open[owner] >= self._of_owner_max
        if is_full or (audience is not None and self._of_audience[owner, audience] >= OF_AUDIENCE_MAX):
            raise Problem("unavailable", "Too many event streams are open; poll instead.", headers={"Retry-After": "5"})

    async def count(self, principal: Principal, chunks: AsyncIterator[str]) -> AsyncGenerator[str]:
        """The chunks, counted as a stream while they are sent; a stream whose client leaves before it begins never
        counts."""
        counted: list[tuple[Counter[Any], object]] = [(self._open, principal.owner.id)]
        if principal.audience is not None:
            counted.append((self._of_audience, (principal.owner.id, principal.audience)))
        for counter, key in counted:
            counter[key] += 1
        try:
            async for chunk in chunks:
                yield chunk
        finally:
            for counter, key in counted:
                counter[key] -= 1
                if not counter[key]:
                    del counter[key]


def router(container: Container) -> APIRouter:
    """The one route."""
    routes, settings = APIRouter(prefix=PREFIX, tags=["Generations"]), container.settings
    streams, ends = Streams(settings.streams_max, settings.streams_of_owner_max), EndEvents(container)
    parameters = {"parameters": [LAST_EVENT, WORKSPACE]}

    @routes.get("/generations/{id}/events", responses=FOLLOWED, openapi_extra=parameters)
    async def stream_generation_events(request: Request, id: str) -> Response:
        """Stream the events of a generation. Server-sent events follow it until it ends."""
        principal = await container.authenticator.authenticate_client(request, "read", takes_query=True)
        generation = await find_visible(container, principal, id)
        last_id = _last_id(request.headers.get("Last-Event-ID"))
        if (
            last_id
            and generation.snapshot.rank == TERMINAL
            and not await container.event_reader.list_after(generation.id, last_id)
        ):
            return Response(status_code=204)  # the word that ends a browser's reconnecting
        streams.check(principal)
        chunks = streams.count(principal, _stream(container, ends, principal, generation, last_id))
        return StreamingResponse(chunks, media_type="text/event-stream")

    return routes


def _last_id(text: str | None) -> int:
    if text is not None and not _LAST_ID.fullmatch(text):
        raise Problem("invalid_request", "Last-Event-ID: this is no event of ours.")
    return int(text or 0)


async def _stream(
    container: Container, ends: "EndEvents", principal: Principal, generation: Generation, last_id: int
) -> AsyncIterator[str]:
    """Events from the table as they arrive; a comment while none arrives; ends with the generation, or with the client
    token that it was opened with."""
    clock, is_live = asyncio.get_running_loop().time, container.authenticator.clients.is_live
    ends_at, beats_at = clock() + STREAM_S_MAX, 0.0
    # No line stands in a block of its own: stock libraries make an event without data of such a block.
    opening = f"retry: {RETRY_MS}\n"
    while clock() < ends_at and not container.waiter.is_stopping and await is_live(principal.client):
        for event in await container.event_reader.list_after(generation.id, last_id):
            last_id, beats_at = event.id, clock() + HEARTBEAT_S
            if RANKS[event.state] == TERMINAL:
                yield opening + await ends.render(generation, event.id)
                return
            yield opening + _state_event(generation, event)
            opening = ""
        if clock() >= beats_at:
            # Also what came before the events that are still kept, and a generation deleted meanwhile, end here.
            if await _is_over(container, generation):
                yield opening + await ends.render(generation, None)
                return
            beats_at = clock() + HEARTBEAT_S
            yield ": still here\n"
        # All streams look at the same moments, so that they share a statement.
        await container.waiter.wait_for_change(generation.id, LOOK_EVERY_S - clock() % LOOK_EVERY_S)


async def _is_over(container: Container, generation: Generation) -> bool:
    now = await container.reader.find_for_owner(generation.id, generation.owner)
    return now is None or now.snapshot.rank == TERMINAL


def _state_event(generation: Generation, event: ProjectionEvent) -> str:
    status = status_of(event.state)
    told = {
        "id": str(generation.id),
        "test": generation.owner.is_test,
        "status": status,
        "progress": event.progress,
        "at": event.at.isoformat(),
        "metadata": metadata_of(generation),
    }
    return _event(status, told, event.id)


class EndEvents:
    """Terminal events. Streams of one generation end together, and share what is read and signed for that."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._rendering: dict[tuple[UUID, int | None], asyncio.Task[str]] = {}

    async def render(self, generation: Generation, event_id: int | None) -> str:
        """The terminal event, with the whole generation; for a deleted one only its id."""
        key = (generation.id, event_id)
        if (task := self._rendering.get(key)) is None:
            task = self._rendering[key] = asyncio.create_task(self._render(generation, event_id))
            task.add_done_callback(lambda _: self._rendering.pop(key))
        return await asyncio.shield(task)

    async def _render(self, generation: Generation, event_id: int | None) -> str:
        now = await self._container.reader.find_for_owner(generation.id, generation.owner)
        if now is None:
            return _event("deleted", {"id": str(generation.id)}, event_id)
        shown = generation_view(now, self._container.objects, self._container.settings.public_root)
        return _event(shown["status"], shown, event_id)


def _event(name: str, data: object, event_id: int | None) -> str:
    numbered = "" if event_id is None else f"id: {event_id}\n"
    return f"{numbered}event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"
