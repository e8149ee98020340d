"""Runs the calls of a request, a few at a time; each has its own result, whatever happens to the others."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from starlette.requests import Request

from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.middleware.request_guard import unexpected_error_problem
from atelier_gateway.surfaces.trpc.protocol import Call, CallResult, error_result
from atelier_gateway.web.problems import Problem
from atelier_gateway.web.request_facts import note_problem

AT_ONCE_MAX = 4
"""Calls of one request that run at the same time; their number is bounded by the limit on bodies alone."""

Procedure = Callable[[Request, Principal, Any], Awaitable[CallResult]]


async def run_calls(
    request: Request, principal: Principal, calls: Sequence[Call], procedures: Mapping[str, Procedure]
) -> AsyncIterator[tuple[int, CallResult]]:
    """The index of each call with its result, in order of completion. No further call begins once the reader stops."""
    todo = iter(enumerate(calls))
    done: asyncio.Queue[tuple[int, CallResult]] = asyncio.Queue()

    async def work() -> None:
        for index, call in todo:
            done.put_nowait((index, await _run_call(request, principal, call, procedures)))

    workers = [asyncio.create_task(work()) for _ in calls[:AT_ONCE_MAX]]
    try:
        for _ in calls:
            yield await done.get()
    finally:
        for _ in todo:
            pass
        await asyncio.shield(asyncio.gather(*workers))


async def _run_call(
    request: Request, principal: Principal, call: Call, procedures: Mapping[str, Procedure]
) -> CallResult:
    """Never raises: the failure of one call must not lose the results of the others, which may be charged."""
    procedure = procedures.get(call.path)
    if procedure is None:
        return error_result(Problem("not_found", f"There is no such procedure for {request.method}."), call.path)
    try:
        return await procedure(request, principal, call.input)
    except Problem as error:
        note_problem(error)
        return error_result(error, call.path)
    except Exception as error:  # noqa: BLE001 - it is logged, and is this call's alone
        return error_result(unexpected_error_problem(error), call.path)
