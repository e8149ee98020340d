"""No word of the validation library reaches a user, whatever kind of error it finds."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import pytest
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from pydantic_core._pydantic_core import list_all_errors

from atelier_gateway import surfaces
from atelier_gateway.web.field_errors import BUILT_IN, FORMS, SENTENCES, problem_of, sentence_of
from atelier_gateway.web.json_bodies import RequestBody

LIBRARYS = re.compile(
    r"\binput\b|valid (string|integer|number|list|dictionary)|permitted|items?\b|pydantic|parse", re.I
)
NUMBERS: tuple[Any, ...] = (True, 0, -1, 10**30, 1.5)
VALUES = (*NUMBERS, None, "", "x", "x" * 9_000, "\ud800", [], [None] * 99, {}, {"x": 1})


def kinds() -> list[dict[str, Any]]:
    """Every kind of error that the library knows, with an example of its context."""
    return cast("list[dict[str, Any]]", list_all_errors())


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: str(kind["type"]))
def test_every_kind_of_error_has_a_sentence_of_ours(kind: dict[str, Any]) -> None:
    context = kind.get("example_context") or {}
    message = kind["message_template_python"]
    error = {"type": kind["type"], "loc": ("a",), "msg": message, "input": "x", "ctx": context}

    sentence = sentence_of(cast("ErrorDetails", error))

    assert sentence != message and not LIBRARYS.search(sentence)


def bodies(parent: type[RequestBody] = RequestBody) -> Iterator[type[RequestBody]]:
    """Every model of a request."""
    for child in parent.__subclasses__():
        yield child
        yield from bodies(child)


def patterns(schema: Any) -> Iterator[str]:
    """Every regular expression in a JSON schema."""
    if isinstance(schema, dict):
        if isinstance(pattern := schema.get("pattern"), str):
            yield pattern
        for value in schema.values():
            yield from patterns(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from patterns(value)


def test_no_refusal_shows_a_regular_expression() -> None:
    assert surfaces.ROUTED
    found = {pattern for model in bodies() for pattern in patterns(model.model_json_schema())}

    assert len(found) >= 4
    assert found - FORMS.keys() == set()


def test_whatever_is_sent_is_refused_in_our_words() -> None:
    assert surfaces.ROUTED
    found: set[str] = set()

    for model in bodies():
        for name in model.model_fields:
            for value in VALUES:
                try:
                    model.model_validate({name: value, "surplus": 1})
                except ValidationError as error:
                    errors = error.errors(include_url=False)
                    found |= {detail["type"] for detail in errors}
                    for detail in errors:
                        assert not LIBRARYS.search(sentence_of(detail)), (model, name, detail["type"])

    assert {"missing", "extra_forbidden", "string_type", "literal_error", "too_long", "int_type"} <= found
    assert {kind for kind in found & BUILT_IN if not kind.endswith(("too_long", "too_short"))} <= set(SENTENCES)


@pytest.mark.parametrize(
    ("wanted", "given", "sentence"),
    [
        (int, "x", "a whole number is required"),
        (bool, "x", "true or false is required"),
        (datetime, "x", "a date and time like 2026-01-31T12:30:00Z is required"),
        (UUID, "x", "a UUID is required"),
        (list[int], {}, "a list is required"),
    ],
)
def test_a_sentence_says_what_is_wanted(wanted: Any, given: object, sentence: str) -> None:
    with pytest.raises(ValidationError) as invalid:
        TypeAdapter(wanted).validate_python(given)

    problem = problem_of(invalid.value.errors(include_url=False))

    assert problem.detail == f"body: {sentence}"
    assert problem.details["errors"] == [{"field": "body", "message": sentence}]


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b'{"a": }', "it is not JSON, from line 1, column 7 on"),
        (b"[" * 1_000, "it is nested too deeply"),
        (b'"\\ud800"', "it is not JSON, from line 1, column 8 on"),
    ],
)
def test_what_is_no_json_is_told_by_its_place(raw: bytes, sentence: str) -> None:
    with pytest.raises(ValidationError) as invalid:
        TypeAdapter(dict[str, int]).validate_json(raw)

    assert sentence_of(invalid.value.errors(include_url=False)[0]) == sentence
