"""The story of a generation: every service's steps in order of time, and one sentence that says where it stands."""

from datetime import UTC, datetime
from uuid import uuid4

from atelier_contracts import Owner
from atelier_gateway.generations.operator_timeline import operator_timeline
from atelier_gateway.projection.snapshot import Snapshot
from atelier_gateway.projection.store import Generation

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
    story = operator_timeline("g", generation(Snapshot(state="succeeded")), SAGA, HOLD, JOB)

    assert [step["service"] for step in story["steps"]] == [
        "gateway", "session", "billing", "session", "render", "render", "render", "render",
    ]  # fmt: skip
    assert story["steps"][1]["what"] == "new: heard requested, became reserving, sent reserve"
    assert story["state"] == "succeeded"


def test_the_summary_says_where_it_stands_and_where_the_money_is() -> None:
    story = operator_timeline("g", generation(Snapshot(state="succeeded")), SAGA, HOLD, JOB)

    assert story["summary"] == "This try_on succeeded; credits held 2, charged 1, returned 1."


def test_an_operator_sees_that_an_earlier_result_was_delivered_again() -> None:
    story = operator_timeline(
        "g", generation(Snapshot(state="succeeded", reused=True)), SAGA, HOLD | {"reused": True}, JOB
    )

    assert "charged 1 for an earlier result that was delivered again, returned 1." in story["summary"]


def test_one_that_never_left_the_gateway_is_told_as_such() -> None:
    story = operator_timeline("g", generation(Snapshot()), None, None, None)

    assert "still in the gateway's outbox" in story["summary"] and "no credits were held" in story["summary"]
    assert [step["service"] for step in story["steps"]] == ["gateway"]


def test_a_failure_names_its_reason() -> None:
    failed = generation(Snapshot(state="failed", error={"code": "provider_failed", "message": "no face found"}))

    story = operator_timeline("g", failed, {"state": "failed", "log": []}, None, None)

    assert story["summary"] == "This try_on failed (provider_failed: no face found); no credits were held."


def test_outputs_that_went_are_told_with_the_reason() -> None:
    removals = [{"reason": "late", "outputs": 2, "removed_at": "2026-01-01T12:00:09Z"}]

    story = operator_timeline("g", None, {"state": "expired", "log": []}, HOLD, JOB | {"removals": removals})

    assert story["steps"][-1]["what"] == "outputs deleted (2): they came after their credits had been returned"


def submission(second: int, provider: str, try_: int, outcome: str, **more: str) -> dict[str, object]:
    at = f"2026-01-01T12:00:05.{second}"
    known = {"state": "ended", "sent_at": f"{at}0Z", "lost_at": None, "ended_at": f"{at}5Z", "reason": None}
    return known | {"provider": provider, "key": "k", "try": try_, "outcome": outcome} | more


def test_an_operator_sees_every_try_why_another_stood_in_and_what_was_lost() -> None:
    submissions = [
        submission(1, "openai", 1, "transient", reason="503"),
        submission(2, "openai", 2, "rate_limited", reason="to be left alone for 60 s"),
        submission(3, "team", 1, "not_sent", reason="left alone for another 9 s"),
        submission(4, "google", 1, "succeeded", lost_at="2026-01-01T12:00:05.42Z"),
        submission(5, "google", 2, "", state="sent", ended_at=""),
    ]

    story = operator_timeline("g", None, None, None, JOB | {"submissions": submissions})

    assert [step["what"] for step in story["steps"] if "key" in step] == [
        "asked openai, try 1",
        "try 1 at openai ended: transient: 503",
        "asked openai, try 2",
        "try 2 at openai ended: rate_limited: to be left alone for 60 s",
        "team was passed over: left alone for another 9 s",
        "asked google, try 1, in place of team",
        "the answer of google was lost: it is asked what became of it",
        "try 1 at google ended: succeeded",
        "asked google, try 2",
    ]
