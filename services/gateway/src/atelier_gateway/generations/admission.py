"""Admits a POST: writes the generation, sends it to the saga, and returns the saga's decision.

The rule of the 503: it is only returned when it is certain that nothing will come of the request.

1. No broker connection: 503 at once, nothing is written.
2. Concurrent requests share one transaction: key, row and message of each commit together, or none.
3. Each message is published and its reply awaited. Admitted: accepted. Declined: the row is removed, the response kept.
4. Not confirmed or no reply in time: the session gets a request to withdraw the id. ``withdrawn`` leaves a tombstone
   that refuses the message however late it arrives; every trace here is removed too, 503. Any other state: accepted.
5. The session cannot be reached either: accepted, and the message is noted to be sent until the saga has begun, for a
   broker that is wiped now would lose it.
6. The session may have withdrawn it, and does not say: it is asked again for as long as a process takes to start. Then
   the outcome is unknown, and the response says so (``outcome_unknown``): a tombstone would break a promise.

A commit whose acknowledgement was lost is run again whole, with the same ids. Where the database stays unavailable
after a commit and the session does not answer, the outcome is unknown, too.
"""

import asyncio
import logging
from collections.abc import Sequence
from uuid import UUID

from asyncpg import UniqueViolationError

from atelier_contracts import GenerationQueued, GenerationRejected, Message, Owner
from atelier_gateway.generations import admission_store, token_caps
from atelier_gateway.generations.admission_request import (
    Accepted,
    AdmissionOutcome,
    AdmissionRequest,
    Declined,
    KeyTaken,
    Settled,
    Unavailable,
)
from atelier_gateway.generations.token_caps import TokenRefused
from atelier_gateway.idempotency import store as idempotency_store
from atelier_gateway.idempotency.keys import IdempotencyClaim, StoredResponse
from atelier_gateway.media import store as media_store
from atelier_gateway.peers import unconfirmed_store
from atelier_gateway.peers.client import PeerClient, PeerUnavailable
from atelier_gateway.peers.reply_listener import ReplyListener
from atelier_gateway.peers.withdrawal import WithdrawalInDoubt, withdraw_surely
from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.caps import cap_view
from atelier_messaging import Batcher, Bus, Overloaded, Transaction, is_outage
from atelier_messaging.outages import until_available
from atelier_messaging.writes import WriteConflict

BATCH_MAX = 100
WAITING_MAX = 2_000
COMMIT_PAUSE_S = 0.3
logger = logging.getLogger(__name__)


WRITTEN = Accepted()
"""What writing a request comes to where nothing stood in its way; whether it is admitted is the saga's to say."""


class Admission:
    """Admits generations through the outbox and the saga."""

    def __init__(self, bus: Bus, replies: ReplyListener, peers: PeerClient, *, timeout_s: float) -> None:
        self._bus = bus
        self._replies = replies
        self._peers = peers
        self._timeout_s = timeout_s
        self._writing: Batcher[AdmissionRequest, Accepted | KeyTaken | TokenRefused] = Batcher(
            self._write, batch_max=BATCH_MAX, waiting_max=WAITING_MAX
        )
        self._storing: Batcher[tuple[IdempotencyClaim | None, StoredResponse | None, UUID | None], None] = Batcher(
            self._store_responses, batch_max=BATCH_MAX
        )

    async def submit(self, request: AdmissionRequest) -> AdmissionOutcome:
        """Returns the outcome of the request, within ``idempotency.keys.ABANDONED_AFTER`` of its beginning."""
        if not self._bus.is_connected:
            return Unavailable()
        try:
            written = await self._writing.submit(request)
        except Overloaded:
            return Unavailable()
        except Exception as error:
            if not is_outage(error):
                raise
            logger.warning("request not written, checking whether its commit got through: %r", error)
            return await self._resolve_failed_commit(request)
        if written is not WRITTEN:
            return written
        assert request.envelope is not None, "what is written has a message"
        publishing = self._bus.outbox.dispatch(request.envelope)
        reply = await self._replies.publish_and_wait(request.generation.id, publishing, timeout_s=self._timeout_s)
        return await self._outcome_of(request, reply)

    async def settle(self, generation_id: UUID, *, is_abandoned: bool) -> Settled:
        """What becomes of a request that was written and, as it seems, never answered, and of which the saga has said
        nothing yet. While its process may still be at work, nothing is decided here."""
        pool = self._bus.unit.pool
        if await unconfirmed_store.is_request_noted(pool, generation_id):
            return "accepted"
        try:
            known = await self._peers.get_generation_events([generation_id])
            if known or not is_abandoned:
                # Why it was rejected is about to be projected.
                return "accepted" if known and known[0]["state"] != "rejected" else "unknown"
        except PeerUnavailable as error:
            logger.warning("what becomes of generation %s is not known yet: %s", generation_id, error)
            is_certain = is_abandoned and await unconfirmed_store.note_unsent_request(pool, generation_id)
            return "accepted" if is_certain else "unknown"
        try:
            return "withdrawn" if await self._peers.withdraw(generation_id) == "withdrawn" else "unknown"
        except PeerUnavailable:
            return "unknown"

    async def store_response(
        self, claim: IdempotencyClaim | None, response: StoredResponse, *, declined: UUID | None = None
    ) -> None:
        """Stores the response for the next request with this key, and removes a declined generation. Raises an outage
        of the database that lasts longer than ``timeout_s``."""
        if claim is not None or declined is not None:
            await self._storing.submit((claim, response, declined))

    async def _outcome_of(self, request: AdmissionRequest, reply: Message | None) -> AdmissionOutcome:
        match reply:
            case GenerationQueued():
                return Accepted()
            case GenerationRejected(reason="withdrawn"):
                return await self._erase(request)
            case GenerationRejected(reason=reason, required=required, available=available) as refusal:
                cap = cap_view(refusal.cap) if refusal.cap else None
                return Declined(reason, required, available, cap, refusal.quote_refusal)
            case _:
                return await self._withdraw(request)

    async def _withdraw(self, request: AdmissionRequest) -> AdmissionOutcome:
        """The saga did not reply: end the request there, unless it was admitted."""
        try:
            state = await withdraw_surely(self._peers, request.generation.id)
        except PeerUnavailable as error:
            logger.warning("generation %s not withdrawn, it is sent until it begins: %s", request.generation.id, error)
            return await self._promise(request)
        except WithdrawalInDoubt as error:
            logger.warning("whether generation %s was withdrawn is unknown: %s", request.generation.id, error)
            return Unavailable(is_certain=False)
        if state == "withdrawn":
            return await self._erase(request)
        if state == "rejected":
            return await self._read_rejection(request)
        return Accepted()

    async def _promise(self, request: AdmissionRequest) -> AdmissionOutcome:
        """Accepted once its message is noted, to be sent until the saga has begun."""

        async def note() -> None:
            async with self._bus.unit.once(dispatch=False) as tx:
                await unconfirmed_store.insert(tx.connection, request.event)

        try:
            async with asyncio.timeout(self._timeout_s):
                await until_available(note, what="note of a request", pause_s=COMMIT_PAUSE_S)
        except Exception as error:
            if not is_outage(error):
                raise
            return Unavailable(is_certain=False)
        return Accepted()

    async def _read_rejection(self, request: AdmissionRequest) -> AdmissionOutcome:
        """Why the saga rejected it; where the session cannot say, nothing was admitted either."""
        try:
            known = await self._peers.get_generation_events([request.generation.id])
        except PeerUnavailable as error:
            logger.warning("reason of rejected generation %s not read, answering 503: %s", request.generation.id, error)
            return await self._erase(request)
        for event in (event for generation in known for event in generation["events"]):
            if event["name"] == GenerationRejected.name:
                return await self._outcome_of(request, GenerationRejected.model_validate_json(event["body"]))
        return await self._erase(request)

    async def _erase(self, request: AdmissionRequest) -> Unavailable:
        """Removes the rows. The tombstone stands: if removing them fails, nothing changes for the client."""
        envelope = request.envelope
        assert envelope is not None, "only a written request is erased"
        try:
            async with self._bus.unit.once(dispatch=False) as tx:
                await admission_store.erase_request(tx.connection, request.generation.id, envelope.id, request.claim)
        except Exception as error:
            if not is_outage(error):
                raise
            logger.warning("rows of withdrawn generation %s not removed, they stay: %r", request.generation.id, error)
        return Unavailable()

    async def _resolve_failed_commit(self, request: AdmissionRequest) -> Unavailable:
        """After an outage of the database: before a commit nothing was written; after one, a tombstone decides."""
        if not request.is_in_doubt:
            return Unavailable()
        try:
            return Unavailable(is_certain=await withdraw_surely(self._peers, request.generation.id) == "withdrawn")
        except (PeerUnavailable, WithdrawalInDoubt):
            return Unavailable(is_certain=False)

    async def _write(self, requests: Sequence[AdmissionRequest]) -> Sequence[Accepted | KeyTaken | TokenRefused]:
        """Group commit, retried whole with the same ids while the database is unavailable. Raises TimeoutError."""
        async with asyncio.timeout(self._timeout_s):
            return await until_available(lambda: self._commit(requests), what="commit", pause_s=COMMIT_PAUSE_S)

    async def _commit(self, requests: Sequence[AdmissionRequest]) -> list[Accepted | KeyTaken | TokenRefused]:
        """One transaction; for each request whether it is written, or why not."""
        if not any(request.is_in_doubt or request.takes_locks for request in requests):
            try:
                await self._commit_at_once(requests)
            except (WriteConflict, UniqueViolationError):
                # A key is taken, or a row of a batch is just being submitted by another process; nothing is written.
                for request in requests:
                    request.is_in_doubt = False
            else:
                return [WRITTEN] * len(requests)
        async with self._bus.unit.once(dispatch=False) as tx:
            # What an earlier try committed without our knowing is there, with the message that it still carries. So is
            # what was ordered under its id before, where its key is forgotten.
            there = await projection_store.find_existing(tx.connection, [request.generation.id for request in requests])
            done = there & {request.generation.id for request in requests if request.is_in_doubt}
            # Two tries at a row of a batch may come together: they have one id and one key, and the first one has it.
            firsts = {request.generation.id: request for request in reversed(requests)}
            todo = [request for id_, request in firsts.items() if id_ not in there]
            claims = [request.claim for request in todo if request.claim is not None]
            holders = await idempotency_store.insert_claims(tx.connection, claims)
            claimed = [request for request in todo if request.claim is None or request.claim.holder in holders]
            refused = await token_caps.take(tx.connection, [r.token_use for r in claimed if r.token_use is not None])
            fresh = [request for request in claimed if request.generation.id not in refused]
            for request in claimed:
                if request.generation.id in refused and request.claim is not None:
                    await idempotency_store.release(tx.connection, request.claim)
            projection_store.insert(tx, [request.generation for request in fresh])
            await tx.flush()  # what links pictures refers to the generations
            await media_store.link(tx.connection, _links(fresh))
            _emit(tx, fresh)
            _mark_in_doubt(requests)
        written = done | {request.generation.id for request in fresh}
        return [
            WRITTEN
            if (id_ := request.generation.id) in written and firsts[id_] is request
            else refused.get(id_, KeyTaken())
            for request in requests
        ]

    async def _commit_at_once(self, requests: Sequence[AdmissionRequest]) -> None:
        """One statement for all of them, as nearly always: no key is taken, and no upload to be locked is used. Raises
        WriteConflict where a key is taken; then nothing is written."""
        async with self._bus.unit.once(dispatch=False, late_claim=True) as tx:
            idempotency_store.write_claims(tx, [request.claim for request in requests if request.claim is not None])
            projection_store.insert(tx, [request.generation for request in requests])
            media_store.write_links(tx, _links(requests))
            _emit(tx, requests)
            _mark_in_doubt(requests)

    async def _store_responses(
        self, items: Sequence[tuple[IdempotencyClaim | None, StoredResponse | None, UUID | None]]
    ) -> Sequence[None]:
        responses = [(claim, response) for claim, response, _ in items if claim is not None and response is not None]
        declined = [generation_id for *_, generation_id in items if generation_id is not None]

        async def commit() -> None:
            async with self._bus.unit.once(dispatch=False, late_claim=not declined) as tx:
                idempotency_store.save_responses(tx, responses)
                if declined:
                    await admission_store.delete_generations(tx.connection, declined)

        async with asyncio.timeout(self._timeout_s):
            await until_available(commit, what="commit", pause_s=COMMIT_PAUSE_S)
        return [None] * len(items)


def _links(requests: Sequence[AdmissionRequest]) -> list[tuple[Owner, UUID, media_store.FileUse]]:
    return [(request.event.owner, request.generation.id, use) for request in requests for use in request.uses]


def _emit(tx: Transaction, requests: Sequence[AdmissionRequest]) -> None:
    for request in requests:
        request.envelope = tx.emit(request.event, cause=request.span)


def _mark_in_doubt(requests: Sequence[AdmissionRequest]) -> None:
    for request in requests:
        request.is_in_doubt = True
