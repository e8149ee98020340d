"""The rules of agreement: each drift by its name, and no alarm for what merely takes its time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from atelier_session.reconcile.feeds import join
from atelier_session.reconcile.records import HoldRecord, JobRecord, ProjectionRecord, Records, SagaRecord
from atelier_session.reconcile.rules import Clock, DriftKind, find_drift

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
LONG_AGO, JUST_NOW = NOW - timedelta(minutes=30), NOW - timedelta(seconds=1)
CLOCK = Clock(NOW, timedelta(seconds=15), timedelta(days=90))
ID = UUID(int=7)
SAGA = SagaRecord(ID, "admitted", LONG_AGO, "succeeded", LONG_AGO, captured=4, delivered=2, outputs=2)
HOLD = HoldRecord(ID, "captured", LONG_AGO, 4, 4, 0, 4, 4, 0)
JOB = JobRecord(ID, "done", LONG_AGO, LONG_AGO, delivered=2, artefacts=2)
REFUNDED = replace(HOLD, state="refunded", captured=0, refunded=4, posted_captured=0, posted_refunded=4)
OPEN = replace(HOLD, state="open", captured=0, posted_captured=0)
TOMBSTONE = HoldRecord(ID, "refunded", LONG_AGO, 0, 0, 0, 0, 0, 0, is_tombstone=True)
WITHDRAWN = SagaRecord(ID, "withdrawn", LONG_AGO)
DELIVERING = replace(SAGA, state="delivering", captured=None, is_charged_on_delivery=True)
PART = replace(DELIVERING, state="succeeded", captured=2, delivered=1, outputs=1)
HALF = replace(HOLD, captured=2, refunded=2, posted_captured=2, posted_refunded=2)
LOST = SagaRecord(ID, "admitted", LONG_AGO)


def in_state(state: str) -> SagaRecord:
    return replace(SAGA, state=state, captured=None, delivered=0, outputs=0)


def kinds(saga: SagaRecord | None, hold: HoldRecord | None, job: JobRecord | None) -> list[str]:
    return [drift.kind.value for drift in find_drift(Records(saga, hold, job), CLOCK)]


@pytest.mark.parametrize(
    ("saga", "hold", "job"),
    [
        (SAGA, HOLD, JOB),
        (SAGA, HOLD, replace(JOB, artefacts=0, is_removed=True)),
        (replace(SAGA, outputs=0), HOLD, replace(JOB, artefacts=0)),
        (replace(SAGA, changed_at=NOW - timedelta(days=100)), HOLD, None),
        (in_state("rejected"), None, None),
        (in_state("rejected"), TOMBSTONE, None),
        (in_state("reserving"), None, None),
        (in_state("rendering"), OPEN, replace(JOB, state="running", artefacts=0, delivered=0)),
        (in_state("capturing"), HOLD, JOB),
        (in_state("refunding"), OPEN, None),
        (in_state("failed"), REFUNDED, replace(JOB, state="failed", delivered=0)),
        (in_state("cancelled"), REFUNDED, replace(JOB, is_removed=True, artefacts=0)),
        (in_state("failed"), replace(HOLD, returned=4), JOB),
        (WITHDRAWN, None, None),
        (WITHDRAWN, TOMBSTONE, replace(JOB, state="cancelled", is_tombstone=True)),
        (WITHDRAWN, REFUNDED, replace(JOB, state="cancelled")),
        (DELIVERING, OPEN, JOB),
        (PART, HALF, replace(JOB, artefacts=1)),
        (replace(PART, changed_at=NOW - timedelta(minutes=1)), HALF, JOB),
        (replace(DELIVERING, state="expired"), REFUNDED, replace(JOB, artefacts=0, is_removed=True)),
        (SAGA, HOLD, replace(JOB, submissions=1, metered_outputs=2)),
        (SAGA, HOLD, replace(JOB, submissions=1, metered_outputs=3)),
        (SAGA, HOLD, replace(JOB, submissions=1)),
        (replace(SAGA, reused=True), HOLD, replace(JOB, submissions=1, metered_outputs=0)),
        (in_state("failed"), REFUNDED, replace(JOB, state="failed", delivered=0, metered_outputs=0)),
    ],
    ids=[
        "delivered",
        "removed",
        "simulated",
        "pruned",
        "declined",
        "declined twice",
        "reserving",
        "rendering",
        "captured, not told",
        "refunding",
        "failed",
        "cancelled late",
        "returned",
        "withdrawn",
        "withdrawn first",
        "withdrawn with refund",
        "waits for its delivery",
        "delivered in part",
        "delivered in part just now",
        "never delivered",
        "metered",
        "one output held back",
        "not metered",
        "reused",
        "failed and metered",
    ],
)
def test_records_that_agree_show_no_drift(
    saga: SagaRecord | None, hold: HoldRecord | None, job: JobRecord | None
) -> None:
    assert kinds(saga, hold, job) == []


@pytest.mark.parametrize(
    ("kind", "saga", "hold", "job"),
    [
        ("saga_without_hold", SAGA, None, JOB),
        ("hold_without_saga", None, OPEN, None),
        ("hold_without_saga", LOST, REFUNDED, None),
        ("charge_without_saga", None, HOLD, None),
        ("hold_left_open", in_state("failed"), OPEN, None),
        ("hold_left_open", SAGA, OPEN, JOB),
        ("saga_differs_from_ledger", SAGA, REFUNDED, JOB),
        ("saga_differs_from_ledger", in_state("failed"), HOLD, None),
        ("saga_differs_from_ledger", in_state("refunding"), HOLD, None),
        ("saga_differs_from_ledger", replace(SAGA, captured=3), HOLD, JOB),
        ("saga_overdue", replace(in_state("capturing"), deadline_at=NOW - timedelta(hours=2)), OPEN, JOB),
        ("saga_without_job", SAGA, HOLD, None),
        ("job_without_saga", None, None, JOB),
        ("job_left_open", in_state("cancelled"), REFUNDED, replace(JOB, state="queued", delivered=0, artefacts=0)),
        ("saga_differs_from_job", SAGA, HOLD, replace(JOB, state="failed", delivered=0)),
        ("captured_without_artefact", SAGA, HOLD, replace(JOB, artefacts=0)),
        ("artefact_missing", SAGA, HOLD, replace(JOB, artefacts=1)),
        ("artefact_missing", SAGA, HOLD, replace(JOB, missing=("a",))),
        ("artefact_altered", SAGA, HOLD, replace(JOB, altered=("a",))),
        ("artefact_missing", DELIVERING, OPEN, replace(JOB, artefacts=0)),
        ("saga_without_job", DELIVERING, OPEN, None),
        ("saga_differs_from_ledger", DELIVERING, HOLD, JOB),
        ("undelivered_artefact", PART, HALF, JOB),
        ("undelivered_artefact", replace(DELIVERING, state="expired"), REFUNDED, JOB),
        ("saga_differs_from_job", PART, HALF, replace(JOB, delivered=0, artefacts=1)),
        ("posting_altered", SAGA, replace(HOLD, posted_captured=3), JOB),
        ("posting_deleted", SAGA, replace(HOLD, posted_captured=0), JOB),
        ("posting_deleted", SAGA, replace(HOLD, posted_captured=2, is_torn=True), JOB),
        ("posting_duplicated", SAGA, replace(HOLD, posted_captured=8, is_duplicated=True), JOB),
        ("usage_differs", SAGA, HOLD, replace(JOB, submissions=1, metered_outputs=1)),
        ("usage_differs", SAGA, HOLD, replace(JOB, submissions=1, metered_outputs=0, usage_faults=("no usage",))),
        ("usage_differs", DELIVERING, OPEN, replace(JOB, submissions=1, metered_outputs=1)),
        ("usage_differs", SAGA, replace(HOLD, returned=4), replace(JOB, submissions=1, metered_outputs=1)),
    ],
)
def test_each_drift_is_found_by_its_name_and_no_other(
    kind: str, saga: SagaRecord | None, hold: HoldRecord | None, job: JobRecord | None
) -> None:
    assert kinds(saga, hold, job) == [kind]


def test_usage_at_a_provider_that_belongs_to_no_job_is_found() -> None:
    job = JobRecord(ID, None, LONG_AGO, submissions=1)

    assert DriftKind.USAGE_WITHOUT_JOB.value in kinds(SAGA, HOLD, job)


@pytest.mark.parametrize(
    ("saga", "shown", "captured", "differs"),
    [
        (SAGA, "succeeded", 4, False),
        (SAGA, "failed", 0, True),
        (SAGA, "succeeded", 5, True),
        (SAGA, "rendering", 0, True),
        (replace(SAGA, changed_at=NOW - timedelta(minutes=2)), "rendering", 0, False),
        (in_state("rendering"), "queued", 0, False),
        (in_state("cancelled"), "cancelled", 0, False),
    ],
    ids=["same", "another end", "another charge", "no end", "no end yet", "at work", "cancelled"],
)
def test_what_an_owner_is_shown_is_compared_with_the_saga(
    saga: SagaRecord, shown: str, captured: int, differs: bool
) -> None:
    hold = HOLD if saga.state == "succeeded" else OPEN if saga.state == "rendering" else REFUNDED
    records = Records(saga, hold, JOB, ProjectionRecord(ID, shown, LONG_AGO, captured))

    found = [drift.kind.value for drift in find_drift(records, CLOCK)]

    assert found == (["projection_differs"] if differs else [])


@pytest.mark.parametrize("which", ["saga", "hold", "job"])
def test_a_generation_of_which_any_record_has_just_changed_is_in_flight(which: str) -> None:
    old = {"saga": SAGA, "hold": HOLD, "job": JOB}
    new = old | {which: replace(old[which], changed_at=JUST_NOW)}  # type: ignore[type-var]

    assert not CLOCK.is_in_flight(Records(SAGA, HOLD, JOB))
    assert CLOCK.is_in_flight(Records(new["saga"], new["hold"], new["job"]))  # type: ignore[arg-type]


def test_a_page_ends_where_the_feed_that_came_least_far_ends_and_joins_records_by_id() -> None:
    ids = [UUID(int=number) for number in range(1, 6)]
    sagas = [replace(SAGA, generation_id=id_) for id_ in ids[:3]]
    holds = [replace(HOLD, generation_id=id_) for id_ in (ids[1], ids[3], ids[4])]

    page = join(UUID(int=0), 3, sagas, holds, [replace(JOB, generation_id=ids[4])])

    assert page.bound == ids[2]
    assert {id_: (r.saga is not None, r.hold is not None) for id_, r in page.records.items()} == {
        ids[0]: (True, False),
        ids[1]: (True, True),
        ids[2]: (True, False),
    }


def test_the_last_page_has_no_bound() -> None:
    page = join(UUID(int=0), 3, [SAGA], [HOLD], [JOB])

    assert page.bound is None
    assert page.records == {ID: Records(SAGA, HOLD, JOB)}
