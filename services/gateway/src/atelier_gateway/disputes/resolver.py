"""Takes a dispute from its request to its decision: evidence first, then everything in one commit, then billing's
reply.

A refund is the return that an operator would post: ``ReturnCredit`` under the dispute's own id, so that it is posted
once whatever is repeated or lost on the way.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from atelier_contracts import BooksCorrected, Envelope, ReturnCredit
from atelier_contracts.routes import reply_key
from atelier_gateway.disputes import rules, store
from atelier_gateway.disputes.evidence import EvidenceCollector
from atelier_gateway.disputes.rules import OutputEvidence, Policy, Reason, Verdict
from atelier_gateway.disputes.settlement import DisputeSettler, opening_fact
from atelier_gateway.disputes.store import Dispute, DisputeState, NewDispute
from atelier_gateway.peers import unconfirmed_store
from atelier_gateway.peers.client import PeerClient, PeerUnavailable, unavailable_problem
from atelier_gateway.peers.reply_listener import ReplyListener
from atelier_gateway.projection.store import Generation
from atelier_gateway.web.problems import Problem, not_found
from atelier_messaging import Bus, Transaction
from atelier_pricing import reuse_price

BY_RULES = "rules"
REPEAT_AFTER_S, REPEATED_MAX = 600.0, 100
"""How long billing may take to answer a return before it is ordered again, and how many are at once."""
STATES: dict[rules.Decision, DisputeState] = {"refund": "refunding", "decline": "declined", "review": "review"}


@dataclass(frozen=True, slots=True)
class DisputePolicy:
    """What the rules may do: how many days after its end a generation is disputed, and how many disputes of an owner
    they refund in 30 days."""

    mode: Policy
    days: int
    refunds_max: int


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a customer says about some outputs of a generation."""

    reason: Reason
    text: str
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Charge:
    """What a generation cost: credits a delivered output, and what of all is charged still."""

    unit: int
    left: int


class DisputeResolver:
    """Opens disputes and carries out decisions."""

    def __init__(
        self,
        bus: Bus,
        replies: ReplyListener,
        peers: PeerClient,
        collector: EvidenceCollector,
        settler: DisputeSettler,
        policy: DisputePolicy,
        *,
        instance_id: str,
        timeout_s: float,
    ) -> None:
        self._bus = bus
        self._replies = replies
        self._peers = peers
        self._collector = collector
        self._settler = settler
        self._policy = policy
        self._instance_id = instance_id
        self._timeout_s = timeout_s

    async def open(self, generation: Generation, complaint: Complaint) -> tuple[Dispute, bool]:
        """The dispute, decided or left to an operator, and whether it is new: the same complaint again is answered with
        the first. Raises Problem 409 where nothing can be disputed (any more), 503 where nothing was recorded."""
        if (known := await self._find_known(self._bus.unit.pool, generation, complaint)) is not None:
            return known, False
        self._require_disputable(generation)
        charge = await self._find_charge(generation.id)
        evidence = await self._collector.collect(generation, complaint.outputs)
        async with self._bus.unit.once(dispatch=False) as tx:
            await store.lock_owner(tx.connection, generation.owner)
            if (known := await self._find_known(tx.connection, generation, complaint)) is not None:
                return known, False
            if not await store.is_kept(tx.connection, generation.id):
                raise Problem("conflict", "This generation is being deleted; nothing was decided.")
            refunds = await store.count_refunds(tx.connection, generation.owner)
            verdict = rules.decide(
                evidence, policy=self._policy.mode, refunds=refunds, refunds_max=self._policy.refunds_max
            )
            dispute, envelope = await self._record(tx, generation, complaint, evidence, verdict, charge)
        return await self._carry_out(dispute, envelope), True

    async def decide(
        self,
        dispute: Dispute,
        *,
        refund: bool,
        credits: int | None,
        operator: str,
        note: str,
        record: Callable[[Transaction, int], Awaitable[None]],
    ) -> Dispute:
        """Carries out an operator's decision about a dispute that waits for one; ``record`` writes the audit row, with
        the credits. Without ``credits`` a refund is the price of the disputed outputs. Raises Problem 409, 503."""
        amount = 0
        if refund:
            charge = await self._find_charge(dispute.generation_id)
            amount = credits or min(charge.unit * len(dispute.outputs), charge.left)
            if amount > charge.left:
                raise Problem("conflict", f"Only {charge.left} credits are charged still; nothing was decided.")
            self._require_broker()
        async with self._bus.unit.once(dispatch=False) as tx:
            state: DisputeState = "refunding" if refund else "declined"
            decided = await store.decide(
                tx.connection, dispute.id, state=state, credits=amount, decided_by=operator, note=note
            )
            if decided is None:
                raise Problem("conflict", "This dispute does not wait for a decision (any more).")
            await record(tx, amount)
            envelope = await self._emit_return(tx, decided) if refund else None
            if not refund:
                self._settler.log(tx, [await self._settler.announce_decision(tx, decided)])
        return await self._carry_out(decided, envelope)

    async def repeat_returns(self) -> None:
        """Orders the returns again that billing has not answered for long: what the broker held may be gone. Billing
        posts each once."""
        async with self._bus.unit.once() as tx:
            for dispute in await store.lock_unanswered(tx.connection, after_s=REPEAT_AFTER_S, limit=REPEATED_MAX):
                tx.emit(self._return_of(dispute))

    async def _find_known(self, connection: Any, generation: Generation, complaint: Complaint) -> Dispute | None:
        """The same dispute, on record already. Raises Problem 409 for another one about one of these outputs."""
        known = await store.find_overlapping(connection, generation.id, complaint.outputs)
        for dispute in known:
            if (dispute.reason, dispute.text, dispute.outputs) == (
                complaint.reason,
                complaint.text,
                complaint.outputs,
            ):
                return dispute
        if known:
            ids = ", ".join(str(dispute.id) for dispute in known)
            raise Problem("conflict", f"An output is disputed once; see dispute {ids}.")
        return None

    def _require_disputable(self, generation: Generation) -> None:
        """Raises Problem 409 naming why there is nothing to dispute."""
        snapshot = generation.snapshot
        if snapshot.state != "succeeded":
            raise Problem("conflict", "Only a generation that was delivered can be disputed; this one was not charged.")
        if not snapshot.outputs:
            raise Problem("conflict", "There are no outputs (any more) that could be examined.")
        until = (snapshot.ended_at or generation.updated_at) + timedelta(days=self._policy.days)
        if datetime.now(UTC) > until:
            raise Problem("conflict", f"It could be disputed until {until.isoformat(timespec='seconds')}.")
        self._require_broker()

    def _require_broker(self) -> None:
        if not self._bus.is_connected:
            raise Problem("unavailable", "The message broker cannot be reached; nothing was decided.")

    async def _find_charge(self, generation_id: UUID) -> Charge:
        """Raises Problem 409 where nothing is charged (any more), 503 where billing does not answer."""
        try:
            hold = await self._peers.get_hold(generation_id)
        except PeerUnavailable as error:
            raise unavailable_problem(error) from error
        if hold is None:
            raise not_found("generation")
        left = hold["captured"] - hold.get("returned", 0)
        if left <= 0:
            raise Problem("conflict", "Nothing is charged for this generation (any more).")
        unit = hold["unit_credits"]
        return Charge(reuse_price(unit) if hold["reused"] else unit, left)

    async def _record(
        self,
        tx: Transaction,
        generation: Generation,
        complaint: Complaint,
        evidence: Sequence[OutputEvidence],
        verdict: Verdict,
        charge: Charge,
    ) -> tuple[Dispute, Envelope | None]:
        new = NewDispute(
            uuid7(),
            generation.id,
            generation.owner,
            complaint.reason,
            complaint.text,
            complaint.outputs,
            STATES[verdict.decision],
            verdict.rule,
            tuple(evidence),
            min(charge.unit * len(verdict.broken), charge.left),
            None if verdict.decision == "review" else BY_RULES,
        )
        dispute = await store.insert(tx.connection, new)
        facts = [opening_fact(dispute)]
        if verdict.decision == "decline":
            facts.append(await self._settler.announce_decision(tx, dispute))
        self._settler.log(tx, facts)
        return dispute, await self._emit_return(tx, dispute) if verdict.decision == "refund" else None

    async def _emit_return(self, tx: Transaction, dispute: Dispute) -> Envelope:
        return tx.emit(await unconfirmed_store.insert(tx.connection, self._return_of(dispute)))

    def _return_of(self, dispute: Dispute) -> ReturnCredit:
        return ReturnCredit(
            correction_id=dispute.id,
            generation_id=dispute.generation_id,
            credits=dispute.credits,
            reason=f"dispute {dispute.id}: {dispute.rule}",
            reply_to=reply_key(self._instance_id),
        )

    async def _carry_out(self, dispute: Dispute, envelope: Envelope | None) -> Dispute:
        """Waits a little for billing; without its reply the dispute is being refunded, and the projection ends it."""
        if envelope is None:
            return dispute
        dispatching = self._bus.outbox.dispatch(envelope)
        reply = await self._replies.publish_and_wait(dispute.id, dispatching, timeout_s=self._timeout_s)
        if isinstance(reply, BooksCorrected):
            async with self._bus.unit.once() as tx:
                self._settler.log(tx, await self._settler.settle(tx, [reply]))
        return await store.find(self._bus.unit.pool, dispute.id) or dispute
