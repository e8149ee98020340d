"""Which request headers the source reads: each place where a name is looked up in ``headers``."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

IS_A_LOOKUP = ("get", "getlist")
UNDECLARED = {
    "authorization": "the security scheme bearer",
    "x-api-key": "the security scheme apiKey",
    "origin": "a browser sends it by itself; client tokens name the origins that they are for",
    "content-type": "OpenAPI has the content of the request body for it",
    "content-length": "each HTTP client sends it",
    "user-agent": "each HTTP client sends it; only the log of the form has it",
    "sec-fetch-site": "a browser sends it by itself with the console's forms, which are not in the document",
    "accept": "OpenAPI has the content of the answers for it; only tRPC reads it, which is not in the document",
    "trpc-accept": "of the tRPC client, which needs no document",
}
"""Headers that are read and are no parameters, each with its reason."""


def headers_read(package: Path) -> set[str]:
    """The names of all request headers that modules below this folder read. Raises AssertionError for a lookup whose
    name is neither a text nor a constant of its module."""
    return {name for file in sorted(package.rglob("*.py")) for name in _of_module(file, package)}


def _of_module(file: Path, package: Path) -> Iterator[str]:
    if "migrations" in file.parts:
        return
    for node in ast.walk(ast.parse(file.read_text())):
        for key in _lookups(node):
            yield _text(key, file, package)


def _lookups(node: ast.AST) -> Iterator[ast.expr]:
    match node:
        case ast.Call(func=ast.Attribute(value=holder, attr=name), args=[key, *_]) if name in IS_A_LOOKUP:
            if _is_request_headers(holder):
                yield key
        case ast.Subscript(value=holder, slice=key, ctx=ast.Load()) if _is_request_headers(holder):
            yield key
        case ast.Compare(left=key, ops=[ast.In() | ast.NotIn()], comparators=[holder]) if _is_request_headers(holder):
            yield key


def _is_request_headers(node: ast.expr) -> bool:
    """``request.headers``, or a parameter called ``headers``."""
    match node:
        case ast.Name(id="headers"):
            return True
        case ast.Attribute(value=ast.Name(id="request"), attr="headers"):
            return True
    return False


def _text(key: ast.expr, file: Path, package: Path) -> str:
    match key:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name(id=name):
            dotted = ".".join(file.relative_to(package.parent).with_suffix("").parts)
            return str(getattr(importlib.import_module(dotted), name))
    raise AssertionError(f"{file}:{key.lineno}: the name of this header cannot be told from the source")
