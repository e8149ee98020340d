"""How a command speaks of itself: a failure is one sentence on standard error, and the next command can be typed."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from atelier_local.demo.try_on_flow import Broken
from atelier_local.errors import StackError


@contextmanager
def sentences(profile: str = "default", more: str = "") -> Iterator[None]:
    """Around a command's work: what cannot be done is said and the command ends.

    ``more`` is the command of ours that tells more; for a broken promise it is the story of its generation.
    """
    try:
        yield
    except StackError as error:
        about = f"admin explain {error.generation}" if isinstance(error, Broken) else more
        text = f"{error}\nMore: {typed(about, profile)}" if about else str(error)
        Console(stderr=True, soft_wrap=True, highlight=False).print(text, style="red", markup=False)
        raise typer.Exit(1) from None


def typed(arguments: str, profile: str) -> str:
    """A command of ours as it can be typed here: by its name where that is found, else by its path."""
    program = "atelier" if shutil.which("atelier") else os.path.relpath(sys.argv[0])
    return f"{program} {arguments}" + ("" if profile == "default" else f" --profile {profile}")
