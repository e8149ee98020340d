"""What the installed ``openai`` package can call: its methods, their parameters, the values that its types name."""

import inspect
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

PARTS = ("images", "audio.speech", "files", "batches")
OF_THE_CLIENT = {"self", "extra_headers", "extra_query", "extra_body", "timeout"}


def operations() -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """By method, as in ``images.generate``: parameter → the literal values of its type, as text."""
    # Only here: the tests that need no servers run in an environment without the client.
    from openai.resources import Batches, Files, Images
    from openai.resources.audio import Speech

    found = {}
    for part, resource in zip(PARTS, (Images, Speech, Files, Batches), strict=True):
        for name, method in inspect.getmembers(resource, inspect.isfunction):
            if not name.startswith(("_", "with_")):
                found[f"{part}.{name}"] = _parameters(method)
    return found


def _parameters(method: Any) -> Mapping[str, tuple[str, ...]]:
    hints = typing.get_type_hints(method)
    names = [name for name in inspect.signature(method).parameters if name not in OF_THE_CLIENT]
    return {name: tuple(str(value) for value in _literals(hints[name])) for name in names}


def _literals(annotation: Any) -> Iterator[object]:
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    else:
        for inner in get_args(annotation):
            yield from _literals(inner)
