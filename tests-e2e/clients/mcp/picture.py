"""``picture.mjs`` by the official Python SDK: ``picture.py ERA URL KEY SIMULATE REQUEST-KEY``; ERA: legacy or auto."""

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

PICTURE = {"kind": "image", "prompt": "a red bicycle", "size": "256x256"}
TRIES_MAX = 400


class Host:
    """What an agent's host does: connect again when a call is lost, and repeat the call."""

    def __init__(self, era: str, url: str, headers: dict[str, str]) -> None:
        self._era, self._url, self._headers = era, url, headers
        self.lost = 0
        self.revision = ""

    async def call(self, tool: str, arguments: dict[str, Any], **settings: Any) -> Any:
        last: BaseException | None = None
        for _ in range(TRIES_MAX):
            try:
                async with AsyncExitStack() as opened:
                    http = await opened.enter_async_context(
                        httpx2.AsyncClient(headers=self._headers, timeout=70, trust_env=False)
                    )
                    transport = streamable_http_client(self._url, http_client=http)
                    client = await opened.enter_async_context(Client(transport, mode=self._era))
                    self.revision = client.protocol_version
                    return await client.call_tool(tool, arguments, read_timeout_seconds=60, **settings)
            except Exception as error:  # noqa: BLE001 - whatever a lost connection raises
                self.lost, last = self.lost + 1, error
                await asyncio.sleep(0.05)
        raise RuntimeError(f"no answer after {TRIES_MAX} tries") from last


async def main(era: str, url: str, key: str, simulate: str, request_key: str) -> dict[str, Any]:
    host = Host(era, url, {"Authorization": f"Bearer {key}", "X-Atelier-Simulate": simulate})
    progress: list[float] = []

    async def note(progress_: float, total: float | None, message: str | None) -> None:
        progress.append(progress_)

    unlimited = await host.call("create_generation", PICTURE | {"idempotency_key": f"{request_key}-unlimited"})
    credits = (await host.call("quote_generation", PICTURE)).structured_content["credits"]
    limited = PICTURE | {"max_credits": credits, "idempotency_key": request_key}
    id_ = (await host.call("create_generation", limited)).structured_content["id"]
    while True:
        result = await host.call("get_result", {"id": id_, "wait_s": 25}, progress_callback=note)
        if result.is_error or result.structured_content["status"] == "succeeded":
            break
    picture = next((block for block in result.content if block.type == "image"), None)
    receipt = await host.call("get_receipt", {"id": id_})
    return {
        "lost": host.lost,
        "progress": progress,
        "unlimited": {"isError": unlimited.is_error, "text": unlimited.content[0].text},
        "credits": credits,
        "id": id_,
        "isError": result.is_error,
        "picture": picture and {"mimeType": picture.mime_type, "data": picture.data},
        "captured": receipt.structured_content["credits"]["captured"],
        "revision": host.revision,
    }


sys.stdout.write(json.dumps(asyncio.run(main(*sys.argv[1:]))))
