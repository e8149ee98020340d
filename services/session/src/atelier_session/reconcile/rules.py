"""The rules of agreement: pure functions from the records of one generation to the kinds of drift they show.

The order of cause and effect keeps false alarms out: a hold is placed after its saga begins, a job after its hold, an
artefact's row with the end of its job, a capture after that, and the saga ends last.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from atelier_session.generation import State
from atelier_session.reconcile.records import HoldRecord, JobRecord, ProjectionRecord, Records, SagaRecord

JOB_OVERDUE = timedelta(minutes=10)
"""How long past its deadline a job may be open."""
SAGA_OVERDUE = timedelta(hours=1)
"""How long past its deadline a saga may be open: commands are sent again with pauses of up to half an hour."""

PROJECTION_OVERDUE = timedelta(minutes=5)
"""How long after its end a generation may be shown as open: the event travels, and the gateway asks when it is lost."""
WITHDRAWAL_OVERDUE = timedelta(minutes=5)
"""How long after its end outputs that were not delivered may be kept: the command to delete them travels."""


class DriftKind(StrEnum):
    """What can be wrong between the services' records."""

    SAGA_WITHOUT_HOLD = "saga_without_hold"
    HOLD_WITHOUT_SAGA = "hold_without_saga"
    CHARGE_WITHOUT_SAGA = "charge_without_saga"
    HOLD_LEFT_OPEN = "hold_left_open"
    SAGA_DIFFERS_FROM_LEDGER = "saga_differs_from_ledger"
    SAGA_OVERDUE = "saga_overdue"
    SAGA_WITHOUT_JOB = "saga_without_job"
    JOB_WITHOUT_SAGA = "job_without_saga"
    JOB_LEFT_OPEN = "job_left_open"
    SAGA_DIFFERS_FROM_JOB = "saga_differs_from_job"
    CAPTURED_WITHOUT_ARTEFACT = "captured_without_artefact"
    ARTEFACT_MISSING = "artefact_missing"
    ARTEFACT_ALTERED = "artefact_altered"
    UNDELIVERED_ARTEFACT = "undelivered_artefact"
    PROJECTION_DIFFERS = "projection_differs"
    USAGE_WITHOUT_JOB = "usage_without_job"
    USAGE_DIFFERS = "usage_differs"
    POSTING_ALTERED = "posting_altered"
    POSTING_DELETED = "posting_deleted"
    POSTING_DUPLICATED = "posting_duplicated"
    LEDGER_VIOLATION = "ledger_violation"


@dataclass(frozen=True, slots=True)
class Clock:
    """The moments that the rules depend on."""

    now: datetime
    settle: timedelta
    """Records that changed more recently are in flight: their feeds were not read at one moment."""
    jobs_kept: timedelta | None = None
    """How long render keeps ended jobs; None: for good."""

    def is_in_flight(self, records: Records) -> bool:
        """Whether any of the records changed so recently that they may have been read before and after the change."""
        return records.changed_at > self.now - self.settle

    def may_be_pruned(self, saga: SagaRecord) -> bool:
        """Whether render may have deleted its job, for age."""
        # A day less: the job ended before its saga did.
        return self.jobs_kept is not None and saga.changed_at < self.now - self.jobs_kept + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Drift:
    """One disagreement, and the sentence that says what disagrees."""

    kind: DriftKind
    details: str


K = DriftKind
UNPAID = frozenset({State.FAILED, State.CANCELLED, State.EXPIRED})
AT_WORK = frozenset({State.QUEUED, State.RENDERING, State.STOPPING})
ENDED = frozenset({State.SUCCEEDED, State.REJECTED, *UNPAID})
OPEN_JOB = frozenset({"queued", "running"})


def find_drift(records: Records, clock: Clock) -> list[Drift]:
    """The disagreements between the records of one generation, which must not be in flight."""
    saga, hold, job = records.saga, records.hold, records.job
    found: list[Drift] = []
    if hold is not None:
        found += _check_postings(hold)
    if saga is None or saga.state is None:
        found += _check_without_saga(saga, hold, job)
    else:
        found += _check_hold(saga, State(saga.state), hold, clock)
        found += _check_projection(saga, State(saga.state), records.projection, clock)
        if not _is_returned(hold):
            found += _check_job(saga, State(saga.state), job, clock)
    if job is not None and not _is_returned(hold):
        found += _check_objects(job)
    if job is not None and job.state == "done" and saga is not None and not saga.reused:
        found += _check_usage(job)
    return found


def _is_returned(hold: HoldRecord | None) -> bool:
    """Whether all that was charged went back: then nothing is owed for it."""
    return hold is not None and 0 < hold.captured <= hold.returned


def _check_postings(hold: HoldRecord) -> Iterator[Drift]:
    posted = (hold.posted_reserved, hold.posted_captured, hold.posted_refunded)
    held = (hold.credits, hold.captured, hold.refunded)
    says = f"held, captured, refunded: the hold says {held}, its postings {posted}"
    if hold.is_duplicated:
        yield Drift(K.POSTING_DUPLICATED, f"one grant has two postings of one kind; {says}")
    elif posted != held:
        is_gone = hold.is_torn or any(want and not have for want, have in zip(held, posted, strict=True))
        yield Drift(K.POSTING_DELETED if is_gone else K.POSTING_ALTERED, says)
    elif hold.returned > hold.captured:
        yield Drift(K.POSTING_ALTERED, f"{hold.returned} credits returned of {hold.captured} captured")


def _check_without_saga(saga: SagaRecord | None, hold: HoldRecord | None, job: JobRecord | None) -> Iterator[Drift]:
    is_withdrawn = saga is not None and saga.verdict == "withdrawn"
    if hold is not None and hold.captured > hold.returned:
        yield Drift(K.CHARGE_WITHOUT_SAGA, f"{hold.captured - hold.returned} credits are charged for no saga")
    elif hold is not None and not hold.captured and not hold.is_tombstone and not (is_withdrawn and hold.refunded):
        yield Drift(K.HOLD_WITHOUT_SAGA, f"a hold of {hold.credits} credits is {hold.state}")
    if job is not None and job.state is not None and not job.is_tombstone and not is_withdrawn:
        yield Drift(K.JOB_WITHOUT_SAGA, f"the job is {job.state}")


def _check_hold(saga: SagaRecord, state: State, hold: HoldRecord | None, clock: Clock) -> Iterator[Drift]:
    assert saga.deadline_at is not None, "every saga has a deadline"
    if state not in ENDED and clock.now > saga.deadline_at + SAGA_OVERDUE:
        yield Drift(K.SAGA_OVERDUE, f"it is {state}, its deadline was {saga.deadline_at.isoformat()}")
    if hold is None:
        if state not in (State.RESERVING, State.REFUNDING, State.REJECTED):
            yield Drift(K.SAGA_WITHOUT_HOLD, f"it is {state}, and billing has no hold")
    elif hold.state == "open":
        if state in ENDED:
            yield Drift(K.HOLD_LEFT_OPEN, f"it is {state}, and {hold.credits} credits are held")
    elif not _agrees(saga, state, hold):
        charged = hold.captured - hold.returned
        yield Drift(K.SAGA_DIFFERS_FROM_LEDGER, f"it is {state}, its hold {hold.state}, {charged} credits charged")


def _agrees(saga: SagaRecord, state: State, hold: HoldRecord) -> bool:
    """Whether a settled hold is what the saga led to."""
    if hold.state == "captured":
        if state is State.SUCCEEDED:
            return saga.captured in (hold.captured, None)
        return state is State.CAPTURING or (state in UNPAID and hold.captured == hold.returned)
    return state in (State.RESERVING, State.REFUNDING, State.REJECTED, *UNPAID)


def _check_job(saga: SagaRecord, state: State, job: JobRecord | None, clock: Clock) -> Iterator[Drift]:
    if saga.is_charged_on_delivery and job is not None and state in ENDED:
        yield from _check_withdrawal(saga, state, job, clock)
    if state in (State.SUCCEEDED, State.DELIVERING):
        yield from _check_delivery(saga, state, job, clock)
    elif job is not None and job.state in OPEN_JOB and state in ENDED and _is_overdue(job, clock):
        yield Drift(K.JOB_LEFT_OPEN, f"it is {state}, and its job is {job.state} past its deadline")


def _check_withdrawal(saga: SagaRecord, state: State, job: JobRecord, clock: Clock) -> Iterator[Drift]:
    """What was not delivered is withdrawn: render deletes it at the saga's command."""
    kept = saga.outputs if state is State.SUCCEEDED else 0
    # Of a generation that its owner has deleted the saga names no outputs, and render has deleted them itself.
    is_deleted = state is State.SUCCEEDED and not kept
    is_overdue = clock.now > saga.changed_at + WITHDRAWAL_OVERDUE
    if job.artefacts > kept and is_overdue and not job.is_removed and not is_deleted:
        yield Drift(K.UNDELIVERED_ARTEFACT, f"it is {state} with {kept} outputs, and render keeps {job.artefacts}")


def _check_delivery(saga: SagaRecord, state: State, job: JobRecord | None, clock: Clock) -> Iterator[Drift]:
    if job is None or job.state is None:
        if not clock.may_be_pruned(saga):
            yield Drift(K.SAGA_WITHOUT_JOB, f"it is {state} with {saga.delivered} outputs, and render has no job")
    elif job.state != "done" or not _has_made(job, saga):
        says = f"it is {state} with {saga.delivered} outputs, its job is {job.state} with {job.delivered}"
        yield Drift(K.SAGA_DIFFERS_FROM_JOB, says)
    elif not job.is_removed and job.artefacts < saga.outputs:
        is_charged = state is State.SUCCEEDED and not job.artefacts
        kind = K.CAPTURED_WITHOUT_ARTEFACT if is_charged else K.ARTEFACT_MISSING
        yield Drift(kind, f"it is {state} with {saga.outputs} outputs, render has {job.artefacts} on record")


def _has_made(job: JobRecord, saga: SagaRecord) -> bool:
    """Whether the job made what the saga says; of what is charged on delivery, a part may have been delivered."""
    return job.delivered >= saga.delivered if saga.is_charged_on_delivery else job.delivered == saga.delivered


def _check_objects(job: JobRecord) -> Iterator[Drift]:
    if job.submissions and job.state is None:
        yield Drift(K.USAGE_WITHOUT_JOB, f"{job.submissions} requests to providers belong to no job")
    if job.missing:
        yield Drift(K.ARTEFACT_MISSING, f"the store does not have {', '.join(job.missing)}")
    if job.altered:
        yield Drift(K.ARTEFACT_ALTERED, f"not as on record: {', '.join(job.altered)}")


def _check_usage(job: JobRecord) -> Iterator[Drift]:
    """What the provider's bill is to be compared with is on record for what was delivered."""
    if job.usage_faults:
        yield Drift(K.USAGE_DIFFERS, "; ".join(job.usage_faults))
    elif job.metered_outputs is not None and job.metered_outputs < job.delivered:
        # More is no fault: what is broken, or held back, is not delivered.
        says = f"{job.delivered} outputs are delivered, the provider's answers had {job.metered_outputs}"
        yield Drift(K.USAGE_DIFFERS, says)


def _check_projection(saga: SagaRecord, state: State, shown: ProjectionRecord | None, clock: Clock) -> Iterator[Drift]:
    if shown is None or state not in ENDED:
        return
    if shown.state not in ENDED:
        if clock.now > saga.changed_at + PROJECTION_OVERDUE:
            yield Drift(K.PROJECTION_DIFFERS, f"it is {state}, and its owner is shown {shown.state}")
    elif shown.state != state or (state is State.SUCCEEDED and saga.captured not in (shown.captured, None)):
        says = f"it is {state}, {saga.captured or 0} credits charged"
        yield Drift(K.PROJECTION_DIFFERS, f"{says}; its owner is shown {shown.state}, {shown.captured} credits")


def _is_overdue(job: JobRecord, clock: Clock) -> bool:
    return job.deadline_at is not None and clock.now > job.deadline_at + JOB_OVERDUE
