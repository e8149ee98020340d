"""The calls of one request: read, made a few at a time, and answered each for itself whatever befalls another."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from starlette.requests import Request

from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.middleware.request_guard import unexpected
from atelier_gateway.surfaces.trpc.responses import Answered, refused
from atelier_gateway.web.problems import Problem

AT_ONCE_MAX = 4
"""Calls of one request in progress at the same time; how many it has is bounded by the cap on bodies alone."""

Procedure = Callable[[Request, Principal, Any], Awaitable[Answered]]


class Call(NamedTuple):
    """One procedure call of a request."""

    path: str
    input: Any


def read(paths: str, text: str | None, *, batched: bool) -> list[Call]:
    """The calls. Raises Problem 400 where the input is no JSON at all."""
    try:
        given = json.loads(text) if text else None
    except (ValueError, RecursionError):
        raise Problem("invalid_request", "The input is not JSON, or nested too deeply.") from None
    if not batched:
        return [Call(paths, given)]
    inputs = given if isinstance(given, dict) else {}
    return [Call(name, inputs.get(str(number))) for number, name in enumerate(paths.split(","))]


async def answered(
    request: Request, principal: Principal, calls: Sequence[Call], procedures: Mapping[str, Procedure]
) -> AsyncIterator[tuple[int, Answered]]:
    """The index of each call with its answer, as they come. Who stops reading has no further call begun."""
    todo = iter(enumerate(calls))
    done: asyncio.Queue[tuple[int, Answered]] = asyncio.Queue()

    async def work() -> None:
        for index, call in todo:
            done.put_nowait((index, await _answer(request, principal, call, procedures)))

    workers = [asyncio.create_task(work()) for _ in calls[:AT_ONCE_MAX]]
    try:
        for _ in calls:
            yield await done.get()
    finally:
        for _ in todo:
            pass
        await asyncio.shield(asyncio.gather(*workers))


async def _answer(request: Request, principal: Principal, call: Call, procedures: Mapping[str, Procedure]) -> Answered:
    """Never raises: what went wrong with one call says nothing about the others, which may have cost something."""
    procedure = procedures.get(call.path)
    if procedure is None:
        return refused(Problem("not_found", f"There is no such procedure for {request.method}."), call.path)
    try:
        return await procedure(request, principal, call.input)
    except Problem as refusal:
        return refused(refusal, call.path)
    except Exception as error:  # noqa: BLE001 - it is logged, and is this call's alone
        return refused(unexpected(error), call.path)
