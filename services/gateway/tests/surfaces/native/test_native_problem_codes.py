"""Without any server: the page of the native surface lists every problem that the surface can answer, by its status."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

import atelier_gateway
from atelier_gateway.surfaces import native
from atelier_gateway.web.problems import PROBLEM_JSON, PROBLEM_TYPES

from ...support.documents import UNBUILT

SOURCE = Path(atelier_gateway.__file__).parent
PAGE = Path(__file__).parents[5] / "docs/surfaces/native.md"
ROW = re.compile(r"^\| (?P<status>[45]\d\d) \| (?P<codes>`[^|]+`) \|", re.MULTILINE)
IN_FRONT = ("method_not_allowed", "request_timeout")
"""What is answered in front of all routes, whatever they declare."""


def list_codes() -> dict[str, int]:
    """Status by code, as the page has them."""
    return {
        code: int(row["status"])
        for row in ROW.finditer(PAGE.read_text())
        for code in re.findall(r"`(\w+)`", row["codes"])
    }


def find_declared() -> set[str]:
    """By the operations of the surface."""
    app = FastAPI()
    app.include_router(native.router(UNBUILT))
    return {
        code
        for operations in app.openapi()["paths"].values()
        for operation in operations.values()
        for response in operation["responses"].values()
        for code in response.get("content", {}).get(PROBLEM_JSON, {}).get("examples", {})
    }


def test_the_page_lists_every_problem_that_an_operation_declares_and_no_other() -> None:
    assert list_codes().keys() == {*find_declared(), *IN_FRONT}


def test_the_page_has_the_status_of_each_code() -> None:
    assert list_codes() == {code: PROBLEM_TYPES[code].status for code in list_codes()}


def _find_raised(files: Iterator[Path]) -> set[str]:
    """The codes of the problems that these files construct by name."""
    calls = [node for file in files for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
    return {code for call in calls for code in _codes_of(call)}


def _codes_of(call: ast.Call) -> Iterator[str]:
    if getattr(call.func, "id", None) not in ("Problem", "field_problem"):
        return
    for given in (*call.args, *(keyword.value for keyword in call.keywords)):
        if isinstance(given, ast.Constant) and given.value in PROBLEM_TYPES:
            yield str(given.value)


@pytest.mark.parametrize("folder", ["surfaces/native", "."])
def test_the_page_lists_every_problem_that_its_code_and_the_code_below_can_raise(folder: str) -> None:
    files = (file for file in (SOURCE / folder).rglob("*.py") if folder != "." or "surfaces" not in file.parts)

    raised = _find_raised(files)

    assert len(raised) > 2
    assert raised - list_codes().keys() == set()
