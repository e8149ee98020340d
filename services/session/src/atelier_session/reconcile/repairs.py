"""Repairs: for a finding, the command that the saga would have sent. Nothing is written but by the services' own
handlers, and each repair says why it was sent."""

from uuid import UUID, uuid5

from atelier_contracts import CancelRender, CaptureCredit, DiscardRender, RefundCredit, ReturnCredit
from atelier_contracts.message import Message
from atelier_messaging import Transaction, UnitOfWork
from atelier_session import store as sagas
from atelier_session.generation import Generation, State
from atelier_session.reconcile import store
from atelier_session.reconcile.rules import DriftKind
from atelier_session.reconcile.store import Finding
from atelier_session.saga import end_of

REPAIRS_MAX = 100
"""Findings in one transaction."""
REASON_CHARS_MAX = 500
REPAIRABLE = (
    DriftKind.HOLD_LEFT_OPEN,
    DriftKind.HOLD_WITHOUT_SAGA,
    DriftKind.JOB_LEFT_OPEN,
    DriftKind.JOB_WITHOUT_SAGA,
    DriftKind.CHARGE_WITHOUT_SAGA,
    DriftKind.CAPTURED_WITHOUT_ARTEFACT,
    DriftKind.PROJECTION_DIFFERS,
    DriftKind.UNDELIVERED_ARTEFACT,
)


async def repair_all(unit: UnitOfWork) -> list[str]:
    """Sends what repairs the open findings; returns a sentence for each, also where nothing can be sent."""
    sentences: list[str] = []
    after = UUID(int=0)
    # Past the last id, since a finding without a repair stays as it is: read again, it would never end.
    while batch := await _repair_some(unit, after):
        sentences += batch.values()
        after = max(batch)
    return sentences


async def _repair_some(unit: UnitOfWork, after: UUID) -> dict[UUID, str]:
    async with unit.once() as tx:
        kinds = [kind.value for kind in REPAIRABLE]
        findings = await store.lock_unrepaired(tx.connection, kinds, after=after, limit=REPAIRS_MAX)
        subjects = [finding.subject for finding in findings]
        known = {g.request.generation_id: g for g in await sagas.find(tx.connection, subjects)}
        return {finding.id: await _repair(tx, finding, known.get(finding.subject)) for finding in findings}


async def _repair(tx: Transaction, finding: Finding, generation: Generation | None) -> str:
    message = message_for(finding, generation)
    if message is None:
        return f"{finding.kind} {finding.subject}: nothing can be sent; a person must look"
    if generation is None:
        # Else the answer to the command finds no saga, and is a dead letter.
        await store.entomb(tx.connection, finding.subject)
    tx.emit(message)
    repair = f"{message.name}: {finding.details}"
    await store.note_repair(tx.connection, finding.id, repair)
    return f"{finding.kind} {finding.subject}: sent {repair}"


WITHOUT_SAGA = (DriftKind.HOLD_WITHOUT_SAGA, DriftKind.CHARGE_WITHOUT_SAGA, DriftKind.JOB_WITHOUT_SAGA)


def message_for(finding: Finding, generation: Generation | None) -> Message | None:
    """The command or event that repairs a finding of a kind in ``REPAIRABLE``. ``generation`` is None where there is no
    saga. None where nothing can be sent: its end is not known, or the finding says that there is no saga and there is
    one, which alone moves its credits."""
    id_ = finding.subject
    if generation is not None and finding.kind in WITHOUT_SAGA:
        return None
    match DriftKind(finding.kind):
        case DriftKind.PROJECTION_DIFFERS:
            return end_of(generation) if generation is not None else None
        case DriftKind.UNDELIVERED_ARTEFACT:
            result = generation.result if generation is not None and generation.state is State.SUCCEEDED else None
            kept = tuple(output.key for output in (result.outputs if result else ()))
            return DiscardRender(generation_id=id_, cause="undelivered", kept=kept)
        case DriftKind.JOB_LEFT_OPEN | DriftKind.JOB_WITHOUT_SAGA:
            return CancelRender(generation_id=id_)
        case DriftKind.CHARGE_WITHOUT_SAGA | DriftKind.CAPTURED_WITHOUT_ARTEFACT:
            # The id is the finding's: sent again, it returns nothing again.
            reason = f"reconciliation: {finding.details}"[:REASON_CHARS_MAX]
            return ReturnCredit(correction_id=uuid5(finding.id, "return"), generation_id=id_, reason=reason)
        case DriftKind.HOLD_LEFT_OPEN if (
            generation is not None and generation.state is State.SUCCEEDED and generation.result is not None
        ):
            result = generation.result
            return CaptureCredit(generation_id=id_, delivered=result.delivered, reused=result.reused)
    return RefundCredit(generation_id=id_)
