"""What the words and statuses of services that queue requests mean: whose business a failure is."""

import json
from typing import Any

import pytest

from atelier_render.providers.bfl import errors as bfl_errors
from atelier_render.providers.bfl import queue as bfl_queue
from atelier_render.providers.fal import errors as fal_errors
from atelier_render.providers.fal.queue import _ended as fal_ended
from atelier_render.providers.protocol import Failed, ProviderOutcome, RateLimited, Refused, Transient, Unknown
from atelier_render.providers.replicate import errors as replicate_errors
from atelier_render.providers.replicate.queue import _ended as replicate_ended
from atelier_render.providers.toolkit.api_connection import ApiAnswer, ApiConnection
from atelier_render.providers.toolkit.request_queue import Ended, Running
from atelier_render.usage import thousandths_of

OPERATORS, CLIENTS = ("provider_unavailable", None), ("invalid_input", None)


def answer(status: int, body: Any = None, **headers: str) -> ApiAnswer:
    return ApiAnswer(
        status, {name.replace("_", "-"): value for name, value in headers.items()}, json.dumps(body).encode()
    )


def detail(kind: str, words: str = "m") -> dict[str, Any]:
    return {"detail": [{"loc": ["body", "prompt"], "msg": words, "type": kind}]}


def agrees(found: ProviderOutcome, expected: object) -> bool:
    if isinstance(expected, tuple):
        return isinstance(found, Failed) and found.code == expected[0]
    return type(found) is expected if isinstance(expected, type) else found == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (answer(401, {"detail": "Authentication failed"}), OPERATORS),
        (answer(403, {"detail": "User is locked. Reason: Exhausted balance."}), OPERATORS),
        (answer(404, {"detail": "not found"}), OPERATORS),
        (answer(429, {}, retry_after="7"), RateLimited(7)),
        (answer(429, {}), RateLimited(10)),
        (answer(422, detail("image_load_error", "Failed to load the image")), CLIENTS),
        (answer(422, detail("content_policy_violation", "flagged")), Refused("flagged")),
        (answer(400, {"detail": "bad header", "error_type": "bad_request"}), CLIENTS),
        (answer(500, {"detail": "Internal"}), Transient),
        (answer(503, {"detail": "x", "error_type": "runner_scheduling_failure"}), Transient),
        (answer(418, {}), ("provider_failed", None)),
        (ApiAnswer(422, {}, b"<html>"), CLIENTS),
    ],
)
def test_submissions_to_fal_that_were_not_taken(said: ApiAnswer, expected: object) -> None:
    assert agrees(fal_errors.outcome_of(said), expected), fal_errors.outcome_of(said)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (answer(422, detail("content_policy_violation", "flagged")), Refused("flagged")),
        (answer(422, detail("image_too_small", "too small")), CLIENTS),
        (answer(500, {"detail": "x", "error_type": "runner_server_error"}), ("provider_failed", None)),
        (answer(504, {"detail": "x"}, x_fal_error_type="request_timeout"), ("provider_failed", None)),
    ],
)
def test_results_of_fal_that_are_errors(said: ApiAnswer, expected: object) -> None:
    assert agrees(fal_errors.outcome_of_result(said), expected)


@pytest.mark.parametrize(
    "body", [None, [], {}, {"images": []}, {"images": 3}, {"images": [{"url": 7}]}, {"images": ["x"]}]
)
def test_a_result_of_fal_without_a_picture_fails_and_is_still_counted(body: Any) -> None:
    ended = fal_ended(answer(200, body, x_fal_billable_units="2.5"), {})

    assert isinstance(ended.result, Failed) and ended.usage.milliunits == 2_500


def test_a_picture_that_fals_checker_blacked_out_is_refused() -> None:
    body = {"images": [{"url": "https://v3.fal.media/black.png"}], "has_nsfw_concepts": [True]}

    assert isinstance(fal_ended(answer(200, body), {}).result, Refused)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (answer(401, {"title": "Unauthenticated"}), OPERATORS),
        (answer(402, {"title": "Insufficient credit"}), OPERATORS),
        (answer(404, {}), OPERATORS),
        (answer(422, {"detail": "- input.width: Must be less than or equal to 2048\n"}), CLIENTS),
        (answer(429, {"detail": "Request was throttled. Your rate limit resets in ~30s."}), RateLimited(30)),
        (answer(429, {"detail": "slow down"}, retry_after="3"), RateLimited(3)),
        (answer(500, None), Transient),
    ],
)
def test_submissions_to_replicate_that_were_not_taken(said: ApiAnswer, expected: object) -> None:
    assert agrees(replicate_errors.outcome_of(said), expected)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"status": "failed", "error": "The input or output was flagged as sensitive. (E005) (x)"}, Refused),
        ({"status": "failed", "error": "NSFW content detected. Try a different prompt."}, Refused),
        ({"status": "failed", "error": "CUDA out of memory at /src/predict.py"}, ("provider_failed", None)),
        ({"status": "failed", "error": None}, ("provider_failed", None)),
        ({"status": "canceled"}, ("provider_failed", None)),
        ({"status": "aborted"}, ("provider_failed", None)),
        ({"status": "succeeded", "output": None, "data_removed": True}, ("provider_failed", None)),
        ({"status": "succeeded", "output": []}, ("provider_failed", None)),
        ({"status": "succeeded", "output": {"a": 1}}, ("provider_failed", None)),
    ],
)
def test_predictions_that_brought_nothing(body: dict[str, Any], expected: object) -> None:
    ended = replicate_ended(body | {"metrics": {"predict_time": 0.5}})

    assert not isinstance(ended.result, str) and agrees(ended.result, expected), ended.result
    assert (ended.usage.milliseconds, ended.usage.outputs) == (500, 0)
    assert not isinstance(ended.result, Failed) or "/src/" not in ended.result.reason


@pytest.mark.parametrize("output", ["https://replicate.delivery/a.png", ["https://replicate.delivery/a.png", "b"]])
def test_a_prediction_has_one_output_or_a_list(output: Any) -> None:
    assert replicate_ended({"status": "succeeded", "output": output}).result == "https://replicate.delivery/a.png"


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1.0486", 1_049), (2.5, 2_500), ("0", 0), (None, None), ("", None), ("NaN", None), ("-1", None), ("1e30", 0)],
)
def test_decimal_counts_become_whole_thousandths(value: object, expected: int | None) -> None:
    assert thousandths_of(value) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (answer(403, {"detail": "Not authenticated"}), OPERATORS),
        (answer(402, {"detail": "Insufficient credits"}), OPERATORS),
        (answer(429, {}, retry_after="5"), RateLimited(5)),
        (answer(422, detail("value_error", "width")), CLIENTS),
        (answer(500, None), Transient),
    ],
)
def test_submissions_to_black_forest_labs_that_were_not_taken(said: ApiAnswer, expected: object) -> None:
    assert agrees(bfl_errors.outcome_of(said), expected)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"status": "Request Moderated"}, Refused),
        ({"status": "Content Moderated"}, Refused),
        ({"status": "Error"}, ("provider_failed", None)),
        ({"status": "Task not found"}, Unknown()),
        ({"status": "Ready", "result": None}, ("provider_failed", None)),
    ],
)
def test_tasks_that_brought_nothing(body: dict[str, Any], expected: object) -> None:
    state = bfl_queue._state_of(body)

    assert isinstance(state, Ended) and not isinstance(state.result, str) and agrees(state.result, expected)


@pytest.mark.parametrize("status", ["Pending", "Reasoning", "Generating", "", None])
def test_a_task_whose_status_is_new_to_us_goes_on(status: object) -> None:
    assert isinstance(bfl_queue._state_of({"status": status}), Running)


@pytest.mark.parametrize(
    ("host", "followed"),
    [
        ("api.eu2.bfl.ai", True),
        ("api.bfl.ai", False),
        ("bfl.ai.example.org", False),
        ("evilbfl.ai", False),
        (None, False),
    ],
)
async def test_the_key_goes_to_their_regions_and_nowhere_else(host: str | None, followed: bool) -> None:
    connection = ApiConnection("https://api.bfl.ai", answer_s_max=1)
    queue = bfl_queue.BflQueue("a-key", connection, answer_s_max=1)

    assert queue._is_region(host) is followed
    assert (queue._region(host or "") is connection) is not followed
    await queue.close()
