"""The protocol's tasks (extension ``io.modelcontextprotocol/tasks``): a create is one, its id that of the generation.

A client that declares the extension gets a handle from ``create_generation`` and polls ``tasks/get``; every handle is
durable, for it names a generation. Who does not declare it calls ``get_result``.
"""

from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver.server import require_client_extension
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, METHOD_NOT_FOUND, CallToolResult, RequestParams
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from atelier_gateway.surfaces.mcp.native_api import CallRefused
from atelier_gateway.surfaces.mcp.tools import ENDED, ToolCall, Tools
from atelier_gateway.web.problems import Problem

EXTENSION = "io.modelcontextprotocol/tasks"
POLL_MS = 2_000
Context = ServerRequestContext[Any, Any]


class TaskParams(RequestParams):
    """Of ``tasks/get``, ``tasks/update`` and ``tasks/cancel``."""

    task_id: str


def is_declared(context: Context) -> bool:
    """Whether the client of this request takes tasks."""
    capabilities = context.session.client_capabilities
    extensions = capabilities.extensions if capabilities else None
    return context.protocol_version in MODERN_PROTOCOL_VERSIONS and EXTENSION in (extensions or {})


def check_declared(context: Context) -> None:
    """Raises MCPError where the client has not declared the extension, or its revision has none."""
    if context.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        raise MCPError(METHOD_NOT_FOUND, "Method not found", context.method)
    require_client_extension(context, EXTENSION)


def handle_of(generation: dict[str, Any]) -> dict[str, Any]:
    """The result of a call that became a task."""
    return {"resultType": "task", **_task(generation, "working")}


async def get_task(tools: Tools, call: ToolCall, id_: str) -> dict[str, Any]:
    """The task with its result, once there is one; a generation that failed is a result with an error of the tool."""
    generation = await _find(tools, call, id_)
    status = generation["status"]
    if status not in ENDED:
        return _task(generation, "working")
    if status == "cancelled":
        return _task(generation, "cancelled")
    result: CallToolResult = await tools.show_result(call, generation, None)
    shown = result.model_dump(by_alias=True, mode="json", exclude_none=True)
    return {**_task(generation, "completed"), "result": shown}


async def cancel_task(tools: Tools, call: ToolCall, id_: str) -> dict[str, Any]:
    """An empty answer; one that has ended stays as it is."""
    generation = await _find(tools, call, id_)
    if generation["status"] not in ENDED:
        try:
            await tools.cancel(call, id_)
        except CallRefused as error:
            if error.problem.get("code") != "conflict":
                raise
    return {}


async def update_task(tools: Tools, call: ToolCall, id_: str) -> dict[str, Any]:
    """An empty answer: no task of ours waits for its client."""
    await _find(tools, call, id_)
    return {}


async def _find(tools: Tools, call: ToolCall, id_: str) -> dict[str, Any]:
    """Raises MCPError for an unknown task, equally for another owner's."""
    try:
        return await tools.wait(call, id_, 0)
    except (CallRefused, Problem) as error:
        status = error.status if isinstance(error, Problem) else error.problem.get("status")
        if status == 404:
            raise MCPError(INVALID_PARAMS, "There is no such task.") from None
        raise


def _task(generation: dict[str, Any], status: str) -> dict[str, Any]:
    latest = generation["ended_at"] or generation["started_at"] or generation["created_at"]
    return {
        "taskId": generation["id"],
        "status": status,
        "statusMessage": f"{generation['status']}, {generation['progress']} %",
        "createdAt": generation["created_at"],
        "lastUpdatedAt": latest,
        "ttlMs": None,
        "pollIntervalMs": POLL_MS,
    }
