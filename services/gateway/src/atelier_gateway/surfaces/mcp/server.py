"""The protocol's server, by its official SDK. Imported at the first request: see ``endpoint.py``."""

import logging
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any

from mcp.server.caching import CacheHint
from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
)

from atelier_gateway.container import Container
from atelier_gateway.middleware.request_guard import unexpected_error_problem
from atelier_gateway.surfaces.mcp import results, tasks
from atelier_gateway.surfaces.mcp.http_errors import problem_object
from atelier_gateway.surfaces.mcp.native_api import CallRefused
from atelier_gateway.surfaces.mcp.tools import CREATE, TOOLS, ToolCall, Tools
from atelier_gateway.web.problems import Problem

INSTRUCTIONS = (
    "Atelier makes pictures and narrations for credits. Ask quote_generation for the price, then create_generation "
    "with max_credits, the most you may spend, and an idempotency_key; then get_result with wait_s until it has ended. "
    "Only what is delivered is charged; get_receipt proves it."
)
CACHED_MS = 300_000
TaskMethod = Callable[[Tools, ToolCall, str], Awaitable[dict[str, Any]]]


def build_manager(container: Container, body_bytes_max: int) -> StreamableHTTPSessionManager:
    """Serves both eras of the protocol without sessions: each request is whole in itself."""
    logging.getLogger("mcp").setLevel(logging.WARNING)  # it has a line for each request, as our access log has
    return StreamableHTTPSessionManager(
        build_server(Tools(container), str(container.settings.public_root)),
        stateless=True,
        max_request_body_size=body_bytes_max + 1,  # what is larger is refused before it gets here, in our words
    )


def build_server(tools: Tools, website: str) -> Server[Any]:
    """The server with its tools and tasks."""

    async def list_tools(_: tasks.Context, __: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=list(TOOLS))

    async def call_tool(context: tasks.Context, params: CallToolRequestParams) -> Any:
        handler = tools.handlers.get(params.name)
        if handler is None:
            raise MCPError(INVALID_PARAMS, f"There is no tool {params.name[:100]!r}.")
        call = _call_of(context, params.arguments or {})
        try:
            if params.name == CREATE and tasks.is_declared(context):
                return tasks.handle_of(await tools.create(call))
            return await handler(call)
        except Exception as error:  # noqa: BLE001 - whatever went wrong is the tool's error, and in our log
            return _refusal(error)

    server: Server[Any] = Server(
        "atelier",
        version=version("atelier-gateway"),
        title="Atelier",
        instructions=INSTRUCTIONS,
        website_url=website,
        cache_hints={"tools/list": CacheHint(ttl_ms=CACHED_MS, scope="public")},
        get_tool_input_schema=lambda _: None,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )
    server.middleware.clear()  # the HTTP request has its span already
    server.extensions[tasks.EXTENSION] = {}
    for method, act in (
        ("tasks/get", tasks.get_task),
        ("tasks/update", tasks.update_task),
        ("tasks/cancel", tasks.cancel_task),
    ):
        server.add_request_handler(method, tasks.TaskParams, _task_handler(tools, act))
    return server


def _task_handler(tools: Tools, act: TaskMethod) -> Callable[[tasks.Context, tasks.TaskParams], Awaitable[Any]]:
    async def handle(context: tasks.Context, params: tasks.TaskParams) -> dict[str, Any]:
        tasks.check_declared(context)
        try:
            return await act(tools, _call_of(context, {}), params.task_id)
        except CallRefused as error:
            raise MCPError(INTERNAL_ERROR, str(error), error.problem) from error

    return handle


def _call_of(context: tasks.Context, arguments: dict[str, Any]) -> ToolCall:
    request = context.request
    assert request is not None, "the transport is HTTP"

    async def report(progress: float, message: str) -> None:
        await context.session.report_progress(progress, 100, message)

    return ToolCall(arguments, request.headers, request.state.principal, report)


def _refusal(error: Exception) -> CallToolResult:
    if isinstance(error, CallRefused):
        return results.refusal(error.problem)
    problem = error if isinstance(error, Problem) else unexpected_error_problem(error)
    return results.refusal(problem_object(problem))
