"""How a command fails: one sentence on standard error, exit code 1, no traceback."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from atelier_local.errors import StackError


@contextmanager
def sentences() -> Iterator[None]:
    """Around a command's work: what cannot be done is said and the command ends."""
    try:
        yield
    except StackError as error:
        complain(str(error))
        raise typer.Exit(1) from None


def complain(text: str) -> None:
    """A sentence on standard error."""
    Console(stderr=True, soft_wrap=True, highlight=False).print(text, style="red", markup=False)
