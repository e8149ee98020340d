"""Refusals: one list of codes, two shapes, and nothing in either that a client must not see."""

import json
import re

import pytest

from atelier_gateway.surfaces import b2b, shape_of, surface_of
from atelier_gateway.surfaces.b2b.requests import TryOnRequest
from atelier_gateway.surfaces.native.requests import GenerationRequest
from atelier_gateway.web.json_bodies import RequestBody, body_schema
from atelier_gateway.web.problems import PROBLEM_TYPES, Problem, problem_for_status, problem_json


@pytest.mark.parametrize("code", PROBLEM_TYPES)
def test_a_problem_has_a_stable_type_and_says_its_status_and_code(code: str) -> None:
    response = problem_json(Problem(code, "Because.", details={"field": "x"}, headers={"Retry-After": "1"}))

    body = json.loads(bytes(response.body))
    assert body["type"] == f"https://atelier.example/problems/{code}"
    assert (body["status"], body["code"], body["detail"], body["field"]) == (
        PROBLEM_TYPES[code].status,
        code,
        "Because.",
        "x",
    )
    assert (response.status_code, response.media_type) == (PROBLEM_TYPES[code].status, "application/problem+json")
    assert response.headers["Retry-After"] == "1"


@pytest.mark.parametrize("code", PROBLEM_TYPES)
def test_the_b2b_surface_puts_the_same_refusal_into_its_envelope(code: str) -> None:
    response = b2b.render_problem(Problem(code, "Because.", headers={"Retry-After": "1"}))

    assert json.loads(bytes(response.body)) == {"data": None, "error": {"code": code.upper(), "message": "Because."}}
    assert (response.status_code, response.media_type) == (PROBLEM_TYPES[code].status, "application/json")
    assert response.headers["Retry-After"] == "1"


def test_codes_are_words_and_not_one_of_them_means_success() -> None:
    assert all(re.fullmatch(r"[a-z_]+", code) and 400 <= kind.status < 600 for code, kind in PROBLEM_TYPES.items())


def test_each_path_is_answered_in_its_surfaces_words_even_where_no_route_is() -> None:
    assert shape_of("/api/v1/nothing") is b2b.render_problem
    assert shape_of("/v1/nothing") is problem_json
    assert shape_of("/elsewhere") is problem_json
    assert [surface_of(path) for path in ("/api/v1/x", "/v1/x", "/v1/admin/x", "/x")] == [
        "b2b", "native", "admin", "other",
    ]  # fmt: skip


@pytest.mark.parametrize("status", [400, 401, 404, 405, 415])
def test_what_the_framework_refuses_is_said_in_our_words(status: int) -> None:
    expected = status if status in {400, 401, 404, 405} else 400

    assert problem_for_status(status).status == expected


@pytest.mark.parametrize("model", [TryOnRequest, GenerationRequest])
def test_the_openapi_body_stands_alone(model: type[RequestBody]) -> None:
    assert "$ref" not in json.dumps(body_schema(model))
    assert body_schema(model)["requestBody"]["content"]["application/json"]["schema"]["additionalProperties"] is False
