"""What a tool call returns: the answer as JSON, for a program and for a model, and outputs as content, bounded in size.

An output that does not fit is shown smaller; its link, good for 15 minutes, has all of it.
"""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from mcp_types import AudioContent, CallToolResult, ContentBlock, ImageContent, ResourceLink, TextContent

from atelier_contracts import Owner
from atelier_gateway.media.intake import MediaIntake
from atelier_gateway.web.problems import Problem
from atelier_storage.errors import ObjectMissing, ObjectTooLarge, StorageUnavailable
from atelier_storage.objects import ObjectStore

CONTENT_BYTES_MAX = 700 * 1024
"""Of all outputs of one answer together, before base64, which adds a third: hosts take about 1 MB."""
PREVIEW_SIDES_PX = (1024, 512)
"""Long sides of a smaller picture, of which the first that fits is shown."""
SOURCE_BYTES_MAX = 32 * 1024 * 1024
"""A larger output is only linked."""
WEB_IMAGES = ("image/png", "image/jpeg", "image/webp")


def answer(value: Mapping[str, Any], *content: ContentBlock) -> CallToolResult:
    """A value as structured content, and in front of it as text for clients without that."""
    text = TextContent(text=json.dumps(value, separators=(",", ":"), ensure_ascii=False))
    return CallToolResult(content=[text, *content], structured_content=dict(value))


def refusal(problem: Mapping[str, Any]) -> CallToolResult:
    """A problem as the error of a tool: a sentence that begins with its code, and the whole of it as JSON."""
    sentence = TextContent(text=f"{problem.get('code')}: {problem.get('detail')}")
    whole = TextContent(text=json.dumps(problem, separators=(",", ":"), ensure_ascii=False))
    return CallToolResult(content=[sentence, whole], is_error=True)


def failure(generation: Mapping[str, Any]) -> CallToolResult:
    """The result of a generation that ended without outputs."""
    error = generation.get("error") or {}
    charged = generation["credits"]["captured"] - generation["credits"]["returned"]
    return refusal(
        {
            "code": error.get("code") or generation["status"],
            "detail": f"{error.get('message') or 'It was ' + generation['status']}; {charged} credits are charged.",
            "generation_id": generation["id"],
            "status": generation["status"],
            "credits": generation["credits"],
        }
    )


class OutputReader:
    """Reads outputs and makes content of them."""

    def __init__(self, objects: ObjectStore, intake: MediaIntake) -> None:
        self._objects = objects
        self._intake = intake

    async def read(self, owner: Owner, outputs: Sequence[Mapping[str, Any]]) -> list[ContentBlock]:
        """Each output as content while there is room, and as a link in any case."""
        blocks: list[ContentBlock] = []
        room = CONTENT_BYTES_MAX
        for output in outputs:
            data, media_type = await self._fit(owner, output, room)
            if data is not None:
                room -= len(data)
                blocks.append(_content(data, media_type))
            blocks.append(_link(output))
        return blocks

    async def _fit(self, owner: Owner, output: Mapping[str, Any], room: int) -> tuple[bytes | None, str]:
        """The output, or a smaller picture of it, with its media type; None where neither fits or can be read."""
        media_type = output["content_type"]
        try:
            data = await self._objects.get(output["key"], SOURCE_BYTES_MAX)
        except (ObjectMissing, ObjectTooLarge, StorageUnavailable):
            return None, media_type
        if len(data) <= room and (media_type in WEB_IMAGES or media_type.startswith("audio/")):
            return data, media_type
        if media_type.startswith("image/") and output["width"] and output["height"]:
            for side_px in PREVIEW_SIDES_PX:
                small = await self._preview(owner, output, data, side_px)
                if small is not None and len(small) <= room:
                    return small, "image/jpeg"
        return None, media_type

    async def _preview(self, owner: Owner, output: Mapping[str, Any], data: bytes, side_px: int) -> bytes | None:
        share = min(1.0, side_px / max(output["width"], output["height"]))
        width, height = (max(1, round(output[side] * share)) for side in ("width", "height"))
        try:
            return await self._intake.render_preview(owner, data, width=width, height=height)
        except Problem:
            return None  # too much is being decoded: the link has the picture


def _content(data: bytes, media_type: str) -> ContentBlock:
    encoded = b64encode(data).decode()
    if media_type.startswith("audio/"):
        return AudioContent(data=encoded, mime_type=media_type)
    return ImageContent(data=encoded, mime_type=media_type)


def _link(output: Mapping[str, Any]) -> ResourceLink:
    name = output["key"].rsplit("/", 1)[-1]
    return ResourceLink(
        uri=output["url"], name=name, mime_type=output["content_type"], description="The whole file, for 15 minutes."
    )
