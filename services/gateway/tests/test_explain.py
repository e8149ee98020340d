"""The story of a generation: every service's steps in order of time, and one sentence that says where it stands."""

from datetime import UTC, datetime
from uuid import uuid4

from atelier_contracts import Owner
from atelier_gateway.explain import explain
from atelier_gateway.projection import Snapshot
from atelier_gateway.store.generations import Generation

BORN = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
SAGA = {
    "state": "succeeded",
    "log": [
        {"at": "2026-01-01T12:00:01Z", "state_from": "new", "message": "requested", "message_id": "m1",
         "outcome": "transition", "state_to": "reserving", "sent": ["reserve"]},
        {"at": "2026-01-01T12:00:03.500000Z", "state_from": "reserving", "message": "deducted", "message_id": "m2",
         "outcome": "transition", "state_to": "queued", "sent": []},
    ],
}  # fmt: skip
HOLD = {
    "state": "captured", "credits": 2, "captured": 1, "refunded": 1,
    "postings": [
        {"at": "2026-01-01T12:00:02+00:00", "kind": "reserve", "debit": "available", "credit": "held", "credits": 2}
    ],
}  # fmt: skip
JOB = {
    "created_at": "2026-01-01T12:00:04Z",
    "attempts": [
        {"attempt": 1, "worker": "w1", "provider": "local", "outcome": "done", "reason": None,
         "started_at": "2026-01-01T12:00:05Z", "ended_at": "2026-01-01T12:00:06Z"},
        {"attempt": 2, "worker": "w2", "provider": None, "outcome": "running", "reason": None,
         "started_at": "2026-01-01T12:00:07Z", "ended_at": None},
    ],
}  # fmt: skip


def generation(snapshot: Snapshot) -> Generation:
    owner = Owner(kind="store", id=uuid4())
    return Generation(uuid4(), "b2b", owner, "try_on", "b2b", {}, 2, BORN, BORN, snapshot)


def test_the_steps_of_all_services_are_told_in_order_of_time() -> None:
    story = explain("g", generation(Snapshot(state="succeeded")), SAGA, HOLD, JOB)

    assert [step["service"] for step in story["steps"]] == [
        "gateway", "session", "billing", "session", "render", "render", "render", "render",
    ]  # fmt: skip
    assert story["steps"][1]["what"] == "new: heard requested, became reserving, sent reserve"
    assert story["state"] == "succeeded"


def test_the_summary_says_where_it_stands_and_where_the_money_is() -> None:
    story = explain("g", generation(Snapshot(state="succeeded")), SAGA, HOLD, JOB)

    assert story["summary"] == "This try_on succeeded; credits held 2, charged 1, returned 1."


def test_one_that_never_left_the_gateway_is_told_as_such() -> None:
    story = explain("g", generation(Snapshot()), None, None, None)

    assert "still in the gateway's outbox" in story["summary"] and "no credits were held" in story["summary"]
    assert [step["service"] for step in story["steps"]] == ["gateway"]


def test_a_failure_names_its_reason() -> None:
    failed = generation(Snapshot(state="failed", error={"code": "provider_failed", "message": "no face found"}))

    story = explain("g", failed, {"state": "failed", "log": []}, None, None)

    assert story["summary"] == "This try_on failed (provider_failed: no face found); no credits were held."


def test_outputs_that_went_are_told_with_the_reason() -> None:
    removals = [{"reason": "late", "outputs": 2, "removed_at": "2026-01-01T12:00:09Z"}]

    story = explain("g", None, {"state": "expired", "log": []}, HOLD, JOB | {"removals": removals})

    assert story["steps"][-1]["what"] == "2 outputs were deleted: they came after their credits had been returned"
