"""What follows a decision: the dispute ends when billing has posted its return, and its end is announced once."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeGuard

from atelier_contracts import BooksCorrected, Message
from atelier_contracts.public_events import DisputeDecidedFact, DisputeOpenedFact, PublicEvent
from atelier_gateway.disputes import store
from atelier_gateway.disputes.rules import EXPLANATIONS
from atelier_gateway.disputes.store import Dispute
from atelier_gateway.subscriptions import event_log
from atelier_gateway.subscriptions.facts import Fact
from atelier_gateway.webhooks.enqueuer import DeliveryEnqueuer
from atelier_gateway.webhooks.events import DISPUTE_DECIDED
from atelier_messaging import Transaction
from atelier_messaging.database import Pool
from atelier_telemetry import metrics
from atelier_telemetry.tracing import current_traceparent


class DisputeSettler:
    """Ends disputes and announces them. ``publish_soon`` is called when public events were logged."""

    def __init__(self, enqueuer: DeliveryEnqueuer, publish_soon: Callable[[], object] = lambda: None) -> None:
        self._enqueuer = enqueuer
        self._publish_soon = publish_soon

    async def settle(self, tx: Transaction, messages: Iterable[Message]) -> list[Fact]:
        """Ends the disputes whose returns billing has answered in these messages; the public events that follow, which
        the caller logs. A return of another origin, and one that is received again, changes nothing."""
        settled = {m.correction_id: (m.credits, m.refused is not None) for m in messages if is_return(m)}
        ended = await store.settle(tx.connection, settled) if settled else []
        return [await self.announce_decision(tx, dispute) for dispute in ended]

    async def announce_decision(self, tx: Transaction, dispute: Dispute) -> Fact:
        """Enqueues the webhook of a decision that is carried out; its public event, which the caller logs."""
        await self._enqueuer.enqueue_event(tx, dispute.generation_id, DISPUTE_DECIDED, dispute_view(dispute))
        tx.after_commit(lambda: metrics.DISPUTES.labels(dispute.state, dispute.rule).inc())
        return _fact(DisputeDecidedFact, dispute)

    def log(self, tx: Transaction, facts: Sequence[Fact]) -> None:
        """Logs public events with the transaction's writes; once in a transaction."""
        if facts:
            event_log.append(tx, facts)
            tx.after_commit(self._publish_soon)


async def observe_waiting(pool: Pool) -> None:
    """Sets the gauge of the disputes that wait for an operator."""
    metrics.DISPUTES_WAITING.set(await store.count_waiting(pool))


def opening_fact(dispute: Dispute) -> Fact:
    """The public event that a dispute is on record."""
    return _fact(DisputeOpenedFact, dispute)


def _fact(kind: type[PublicEvent], dispute: Dispute) -> Fact:
    data: dict[str, Any] = {"dispute_id": str(dispute.id), "outputs": list(dispute.outputs)}
    data |= {"status": dispute.state, "rule": dispute.rule, "credits": dispute.credits}
    return Fact(kind.type, dispute.generation_id, datetime.now(UTC), current_traceparent(), data)


def is_return(message: Message) -> TypeGuard[BooksCorrected]:
    """Whether it is billing's answer to a return."""
    return isinstance(message, BooksCorrected) and message.kind == "return"


def dispute_view(dispute: Dispute) -> dict[str, Any]:
    """The dispute as its customer sees it."""
    return {
        "id": str(dispute.id),
        "test": dispute.owner.is_test,
        "generation_id": str(dispute.generation_id),
        "status": dispute.state,
        "reason": dispute.reason,
        "text": dispute.text,
        "outputs": list(dispute.outputs),
        "credits": dispute.credits,
        "rule": dispute.rule,
        "explanation": EXPLANATIONS[dispute.rule],
        "evidence": [
            {
                "output": each.output,
                "checks": [{"name": c.name, "result": c.result, "details": c.details} for c in each.checks],
            }
            for each in dispute.evidence
        ],
        "note": dispute.note,
        "created_at": dispute.created_at.isoformat(),
        "decided_at": dispute.decided_at.isoformat() if dispute.decided_at else None,
    }
