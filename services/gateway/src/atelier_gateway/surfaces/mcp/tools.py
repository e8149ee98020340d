"""The tools: quote, create, look, take the result, read the receipt, cancel. A create needs a spend limit."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from mcp_types import CallToolResult, Tool, ToolAnnotations
from pydantic import ValidationError
from starlette.datastructures import Headers

from atelier_gateway.container import Container
from atelier_gateway.idempotency.keys import validate_key
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.surfaces.mcp import results
from atelier_gateway.surfaces.mcp.arguments import (
    CreateArguments,
    GenerationArguments,
    ResultArguments,
    WaitArguments,
    schema_of,
)
from atelier_gateway.surfaces.mcp.native_api import NativeApi
from atelier_gateway.surfaces.native import openapi, receipt_openapi
from atelier_gateway.surfaces.native.requests import GenerationRequest
from atelier_gateway.surfaces.native.responses import status_of
from atelier_gateway.web.json_bodies import RequestBody, validation_problem
from atelier_gateway.web.problems import Problem, field_problem

CREATE = "create_generation"
NOT_FOR_AGENTS = ("charge", "delivery_window_s", "deliver_to")
"""Fields of a create that tools do not have: their results hold the outputs themselves."""
ENDED = ("succeeded", "failed", "cancelled", "expired", "rejected")
LOOK_EVERY_S = 1.0
"""A change that another replica has projected is seen after this long at most."""
READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)

TOOLS = (
    Tool(
        name="quote_generation",
        title="Quote a generation",
        description="The price in credits of a generation with these arguments. Nothing is started, held or charged.",
        input_schema=schema_of(GenerationRequest, "max_credits", *NOT_FOR_AGENTS),
        output_schema=openapi.Quote.model_json_schema(),
        annotations=READS,
    ),
    Tool(
        name=CREATE,
        title="Create a generation",
        description=(
            "Starts making pictures or a narration, and returns at once with its id. Its price is held now and charged "
            "for what is delivered, never more than max_credits, which is required: quote_generation says the price. "
            "Then call get_result with wait_s until it has ended. If no answer comes, repeat the call with the same "
            "idempotency_key: it is made and charged once."
        ),
        input_schema=schema_of(CreateArguments, *NOT_FOR_AGENTS),
        output_schema=openapi.Generation.model_json_schema(),
        annotations=ToolAnnotations(
            read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True
        ),
    ),
    Tool(
        name="get_generation",
        title="Get the status of a generation",
        description="The generation as it is now, or once it has ended within wait_s: status, progress, credits.",
        input_schema=schema_of(WaitArguments),
        output_schema=openapi.Generation.model_json_schema(),
        annotations=READS,
    ),
    Tool(
        name="get_result",
        title="Get the result of a generation",
        description=(
            "The outputs of a generation that succeeded, as image or audio content and as links to the whole files; "
            "waits up to wait_s seconds for its end. One that has not ended returns its status: call again."
        ),
        input_schema=schema_of(ResultArguments),
        output_schema=openapi.Generation.model_json_schema(),
        annotations=READS,
    ),
    Tool(
        name="get_receipt",
        title="Get the receipt of a generation",
        description="What a generation cost, posting by posting, and once it has ended the signed receipt.",
        input_schema=schema_of(GenerationArguments),
        output_schema=receipt_openapi.Receipt.model_json_schema(),
        annotations=READS,
    ),
    Tool(
        name="cancel_generation",
        title="Cancel a generation",
        description="Stops a generation that has not ended; what is not delivered is not charged.",
        input_schema=schema_of(GenerationArguments),
        output_schema=openapi.Generation.model_json_schema(),
        annotations=ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True),
    ),
)

Report = Callable[[float, str], Awaitable[None]]
Arguments = TypeVar("Arguments", bound=RequestBody)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call: its arguments, whose it is, and how its progress (0 to 100) is reported."""

    arguments: Mapping[str, Any]
    headers: Headers
    principal: Principal
    report: Report


class Tools:
    """Runs tool calls. Each method returns the result or raises CallRefused or Problem."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._api = NativeApi(container)
        self._reader = results.OutputReader(container.objects, container.media_intake)
        self._under_way: set[asyncio.Task[dict[str, Any]]] = set()

        self.handlers: Mapping[str, Callable[[ToolCall], Awaitable[CallToolResult]]] = {
            "quote_generation": self._quote,
            CREATE: self._create,
            "get_generation": self._get,
            "get_result": self._get_result,
            "get_receipt": self._get_receipt,
            "cancel_generation": self._cancel,
        }
        """By the name of the tool."""

    async def create(self, call: ToolCall) -> dict[str, Any]:
        """The generation of a create call."""
        request = dict(call.arguments)
        key = request.pop("idempotency_key", None)
        if given := [name for name in NOT_FOR_AGENTS if name in request]:
            raise field_problem(given[0], "a tool's outputs are charged once they exist")
        if request.get("max_credits") is None:
            raise await self._spend_limit_problem(call.headers, request)
        if not isinstance(key, str) or not validate_key(key):
            raise field_problem("idempotency_key", "a name that you choose for this request is required")
        # A client that is cut off takes its call away, and must not take away half of a create.
        creating = asyncio.create_task(self._api.create(call.headers, request, key))
        self._under_way.add(creating)
        creating.add_done_callback(self._under_way.discard)
        return await asyncio.shield(creating)

    async def wait(self, call: ToolCall, id_: str, wait_s: float) -> dict[str, Any]:
        """The generation once it has ended, or as it is after so many seconds; rises of its progress are reported."""
        found = await self._api.get(call.headers, id_)
        ends_at, shown = time.monotonic() + wait_s, -1
        waiter = self._container.waiter
        while found["status"] not in ENDED and not waiter.is_stopping and (left := ends_at - time.monotonic()) > 0:
            if found["progress"] > shown:
                shown = found["progress"]
                await call.report(shown, found["status"])
            before = found["status"], found["progress"]
            await self._wait_for_news(call.principal, UUID(found["id"]), before, ends_at=ends_at, left=left)
            found = await self._api.get(call.headers, id_)
        return found

    async def show_result(self, call: ToolCall, generation: dict[str, Any], output: int | None) -> CallToolResult:
        """The outputs of one that succeeded, the error of one that did not, the status of one that has not ended."""
        if generation["status"] not in ENDED:
            return results.answer(generation)
        if generation["status"] != "succeeded":
            return results.failure(generation)
        outputs = generation["outputs"]
        if output is not None and output >= len(outputs):
            raise field_problem("output", f"there are {len(outputs)}, the first one is 0")
        shown = outputs if output is None else [outputs[output]]
        return results.answer(generation, *await self._reader.read(call.principal.owner, shown))

    async def cancel(self, call: ToolCall, id_: str) -> dict[str, Any]:
        """The generation after its cancel. One that has ended stays as it is: Problem 409."""
        return await self._api.cancel(call.headers, id_)

    async def _quote(self, call: ToolCall) -> CallToolResult:
        return results.answer(await self._api.quote(call.headers, call.arguments))

    async def _create(self, call: ToolCall) -> CallToolResult:
        return results.answer(await self.create(call))

    async def _get(self, call: ToolCall) -> CallToolResult:
        taken = _parse(WaitArguments, call.arguments)
        return results.answer(await self.wait(call, taken.id, taken.wait_s))

    async def _get_result(self, call: ToolCall) -> CallToolResult:
        taken = _parse(ResultArguments, call.arguments)
        generation = await self.wait(call, taken.id, taken.wait_s)
        return await self.show_result(call, generation, taken.output)

    async def _get_receipt(self, call: ToolCall) -> CallToolResult:
        taken = _parse(GenerationArguments, call.arguments)
        return results.answer(await self._api.get_receipt(call.headers, taken.id))

    async def _cancel(self, call: ToolCall) -> CallToolResult:
        return results.answer(await self.cancel(call, _parse(GenerationArguments, call.arguments).id))

    async def _spend_limit_problem(self, caller: Headers, request: Mapping[str, Any]) -> Problem:
        """Says that nothing was spent, and what the limit would have to be."""
        price = (await self._api.quote(caller, {k: v for k, v in request.items() if k != "max_credits"}))["credits"]
        why = f"a spend limit is required; nothing was started or charged. This costs {price} credits"
        return field_problem("max_credits", why)

    async def _wait_for_news(
        self, principal: Principal, id_: UUID, before: tuple[str, int], *, ends_at: float, left: float
    ) -> None:
        """Until the generation is not what it was, or the time is over."""
        while left > 0 and not self._container.waiter.is_stopping:
            await self._container.waiter.wait_for_change(id_, min(LOOK_EVERY_S, left))
            now = await self._container.reader.find_for_owner(id_, principal.owner)
            if now is None or (status_of(now.snapshot.state), now.snapshot.progress) != before:
                return
            left = ends_at - time.monotonic()


def _parse(model: type[Arguments], arguments: Mapping[str, Any]) -> Arguments:
    """Raises Problem 400 naming the argument."""
    try:
        return model.model_validate(arguments)
    except ValidationError as error:
        raise validation_problem(error) from None
