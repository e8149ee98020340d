"""The files of a batch in OpenAI's line format, made of its rows and their generations as they are read."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

from atelier_gateway.batches import row_store
from atelier_gateway.batches.records import PARTS, Batch, Part, Row, problem_of
from atelier_gateway.batches.runner import CANCELLED, EXPIRED
from atelier_gateway.container import Container
from atelier_gateway.generations.image_models import QUALITY_SHOWN
from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.store import Generation
from atelier_gateway.surfaces.openai.errors import error_view, status_of
from atelier_gateway.surfaces.openai.responses import ShownImages, images_view, read_base64
from atelier_gateway.web.problems import not_found

ROWS_AT_ONCE = 50
NEVER_BEGUN = (EXPIRED["code"], CANCELLED["code"])
Read = Callable[[str], Awaitable[str]]


class BatchOutput:
    """Reads the parts of batches."""

    def __init__(self, container: Container) -> None:
        self._container = container

    async def read(self, batch: Batch, part: Part) -> AsyncIterator[bytes]:
        """Line by line. Raises Problem where a picture cannot be read now."""
        async for row, generation in self._rows(batch, part):
            yield await self._line(row, generation, partial(read_base64, self._container))

    async def measure(self, batch: Batch, part: Part) -> int:
        """The bytes of the part, without reading its pictures."""
        size = 0
        async for row, generation in self._rows(batch, part):
            outputs = generation.snapshot.outputs if generation else ()
            sizes = {output["key"]: int(output.get("size") or 0) for output in outputs}
            read: list[str] = []

            async def note(key: str, read: list[str] = read) -> str:
                read.append(key)
                return ""

            size += len(await self._line(row, generation, note))
            size += sum((sizes[key] + 2) // 3 * 4 for key in read)
        return size

    async def _rows(self, batch: Batch, part: Part) -> AsyncIterator[tuple[Row, Generation | None]]:
        after, pool = 0, self._container.pool
        while rows := await row_store.list_page(pool, batch.id, after=after, limit=ROWS_AT_ONCE, states=PARTS[part]):
            wanted = [(row.generation_id, batch.owner) for row in rows]
            found = await projection_store.find_for_owners(pool, wanted) if part == "output" else {}
            for row in rows:
                yield row, found.get((row.generation_id, batch.owner))
            after = rows[-1].number

    async def _line(self, row: Row, generation: Generation | None, read: Read) -> bytes:
        line: dict[str, Any] = {"id": f"batch_req_{row.generation_id.hex}", "custom_id": row.custom_id}
        problem = row.problem
        if row.state == "succeeded":
            status, body = 404, {"error": error_view(not_found("generation"))}
            if generation is not None:
                status, body = 200, await images_view(self._container, generation, _shown(generation), read)
            line |= {"response": _response(row, status, body), "error": None}
        elif problem is not None and problem["code"] in NEVER_BEGUN:
            line |= {"response": None, "error": {"code": problem["code"], "message": problem["detail"]}}
        else:
            error = problem_of(problem or {"code": "internal_error", "detail": "It was not made."})
            line |= {"response": _response(row, status_of(error), {"error": error_view(error)}), "error": None}
        return json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _response(row: Row, status: int, body: dict[str, Any]) -> dict[str, Any]:
    return {"status_code": status, "request_id": str(row.generation_id), "body": body}


def _shown(generation: Generation) -> ShownImages:
    request, spec = generation.request, generation.request["spec"]
    quality = spec["quality"]
    return ShownImages(
        model=request["model"],
        is_named=spec.get("model") is not None,
        successor=request.get("successor"),
        response_format=request.get("response_format"),
        output_format=spec["format"],
        size=spec["size"],
        quality=quality if quality in QUALITY_SHOWN else "standard",
    )
