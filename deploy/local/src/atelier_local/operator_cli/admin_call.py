"""How a command of ``atelier admin`` calls the admin API: with the profile's address and token."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer
from rich.console import Console

from atelier_local.api_client.operations_client import OperationsClient
from atelier_local.cli_errors import report_errors
from atelier_local.connection import find_connection
from atelier_local.launcher.live_display import WIDTH_IN_A_PIPE

T = TypeVar("T")
Id = Annotated[UUID, typer.Argument()]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1_000, help="how many at most")]
console = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else WIDTH_IN_A_PIPE)


def call(profile: str | None, act: Callable[[OperationsClient], Coroutine[Any, Any, T]]) -> T:
    """The API's answer to ``act``; a failure is printed in one sentence and ends the command."""

    async def run() -> T:
        to = find_connection(profile)
        async with OperationsClient(to.operations_url, to.admin_token) as admin:
            return await act(admin)

    with report_errors():
        return asyncio.run(run())
