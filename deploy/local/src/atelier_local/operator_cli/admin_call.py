"""How a command of ``atelier admin`` calls the admin API: with the profile's address and token."""

import asyncio
import hashlib
import json
import secrets
import sys
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer
from rich.console import Console

from atelier_local import terminal_text
from atelier_local.api_client.operations_client import OperationsClient
from atelier_local.cli_errors import report_errors
from atelier_local.connection import find_connection
from atelier_local.launcher.live_display import WIDTH_IN_A_PIPE

T = TypeVar("T")
Id = Annotated[UUID, typer.Argument()]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1_000, help="how many at most")]
AsJson = Annotated[bool, typer.Option("--json", help="as JSON, for scripts")]
console = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else WIDTH_IN_A_PIPE)


def call(profile: str | None, act: Callable[[OperationsClient], Coroutine[Any, Any, T]]) -> T:
    """The API's answer to ``act``; a failure is printed in one sentence and ends the command."""

    async def run() -> T:
        to = find_connection(profile)
        async with OperationsClient(to.operations_url, to.admin_token) as admin:
            return await act(admin)

    with report_errors():
        return asyncio.run(run())


def print_json(value: object) -> None:
    """For scripts, without colours or breaks."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_rows(
    rows: list[dict[str, Any]], *columns: str, as_json: bool, line: Callable[[dict[str, Any]], dict[str, Any]] = dict
) -> None:
    """A list of the admin API: as it is for scripts, else as a table of these columns of each row's ``line``."""
    if as_json:
        print_json(rows)
    else:
        console.print(terminal_text.table_of([line(row) for row in rows], *columns))


def key_of(*parts: object, again: bool = False) -> str:
    """An Idempotency-Key that depends on all that is ordered; another one where it is ordered again on purpose."""
    if again:
        return secrets.token_hex(16)
    return f"cli-{hashlib.sha256(repr([str(part) for part in parts]).encode()).hexdigest()[:40]}"
