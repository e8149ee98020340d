"""How a command reports a failure: one sentence on standard error, and the command to run next."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from atelier_local.errors import BrokenPromise, StackError


@contextmanager
def report_errors(profile: str = "default", more: str = "") -> Iterator[None]:
    """Wraps a command: a StackError is printed in one sentence and ends it with exit code 1.

    ``more`` is the command that shows details; for a broken promise it is ``admin explain`` of its generation.
    """
    try:
        yield
    except StackError as error:
        about = f"admin explain {error.generation}" if isinstance(error, BrokenPromise) else more
        text = f"{error}\nMore: {command_text(about, profile)}" if about else str(error)
        Console(stderr=True, soft_wrap=True, highlight=False).print(text, style="red", markup=False)
        raise typer.Exit(1) from None


def command_text(arguments: str, profile: str) -> str:
    """An ``atelier`` command as it can be typed here: by its name where the PATH has it, else by its path."""
    program = "atelier" if shutil.which("atelier") else os.path.relpath(sys.argv[0])
    return f"{program} {arguments}" + ("" if profile == "default" else f" --profile {profile}")
