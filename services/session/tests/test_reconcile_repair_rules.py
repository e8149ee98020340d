"""Which findings are repaired: none that contradicts a saga, and none that no run has seen lately."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from atelier_contracts import DiscardRender
from atelier_messaging import UnitOfWork
from atelier_session.generation import State
from atelier_session.reconcile import store
from atelier_session.reconcile.repairs import message_for
from atelier_session.reconcile.rules import Drift, DriftKind
from atelier_session.reconcile.store import Finding

from .saga_cases import ID, PICTURES, READY, generation, on_delivery

WITHOUT_SAGA = (DriftKind.HOLD_WITHOUT_SAGA, DriftKind.CHARGE_WITHOUT_SAGA, DriftKind.JOB_WITHOUT_SAGA)


def build_finding(kind: DriftKind, subject: UUID) -> Finding:
    now = datetime.now(UTC)
    return Finding(
        id=uuid4(),
        kind=kind.value,
        subject=subject,
        details="seen by a run",
        first_seen_at=now,
        last_seen_at=now,
        repair=None,
        repaired_at=None,
        resolved_at=None,
        resolved_by=None,
    )


@pytest.mark.parametrize("state", [State.RENDERING, State.SUCCEEDED])
@pytest.mark.parametrize("kind", WITHOUT_SAGA)
def test_a_finding_of_no_saga_is_not_repaired_where_there_is_one(kind: DriftKind, state: State) -> None:
    known = generation(state)

    assert message_for(build_finding(kind, known.request.generation_id), known) is None
    assert message_for(build_finding(kind, known.request.generation_id), None) is not None


def test_what_was_not_delivered_is_discarded_again_and_what_was_delivered_is_kept() -> None:
    expired, succeeded = on_delivery(State.EXPIRED), on_delivery(State.SUCCEEDED)
    part = replace(succeeded, result=READY.model_copy(update={"outputs": PICTURES[:1], "delivered": 1}))
    finding = build_finding(DriftKind.UNDELIVERED_ARTEFACT, ID)

    assert message_for(finding, expired) == DiscardRender(generation_id=ID, cause="undelivered")
    assert message_for(finding, part) == DiscardRender(generation_id=ID, cause="undelivered", kept=(PICTURES[0].key,))


@pytest.fixture
async def findings(unit: UnitOfWork) -> AsyncIterator[UnitOfWork]:
    yield unit
    await unit.pool.execute("DELETE FROM reconcile_findings")


@pytest.mark.stack
@pytest.mark.parametrize(("age", "repairable"), [("9 min", 1), ("11 min", 0)])
async def test_a_finding_that_no_run_has_seen_lately_is_not_repaired(
    findings: UnitOfWork, age: str, repairable: int
) -> None:
    drift = Drift(DriftKind.CAPTURED_WITHOUT_ARTEFACT, "there was no artefact before the restore")
    async with findings.once() as tx:
        await store.report(tx.connection, [(uuid4(), drift)])
        await tx.connection.execute(f"UPDATE reconcile_findings SET last_seen_at = now() - interval '{age}'")

    async with findings.once() as tx:
        locked = await store.lock_unrepaired(tx.connection, [drift.kind.value], after=UUID(int=0), limit=10)

    assert len(locked) == repairable
