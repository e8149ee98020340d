"""A POST becomes a generation: written down, sent, and answered when the saga has admitted or refused it.

The rule of the 503: it is only said when it is certain that nothing will come of the request.

1. No broker connection: 503 at once, nothing is written.
2. Concurrent requests share one transaction: key, row and message of each commit together, or none.
3. Each message is published and its reply awaited. Admitted: accepted. Declined: the row goes, the answer is kept.
4. Not confirmed or no reply in time: the session is asked to withdraw the id. ``withdrawn`` leaves a tombstone that
   refuses the message however late it comes; every trace here goes too, 503. Anything else says it got in: accepted.
5. The session cannot be asked either: the message stays in the outbox and will be delivered: accepted.

A commit whose acknowledgement was lost is run again whole, with the same ids. Only if the database stays away after
such a commit and the session cannot be asked does nobody know: that answer says so (``outcome_unknown``).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from atelier_contracts import Envelope, GenerationQueued, GenerationRejected, GenerationRequested, Message
from atelier_gateway.idempotency import store as idempotency_store
from atelier_gateway.idempotency.keys import IdempotencyClaim, StoredResponse
from atelier_gateway.media import store as media_store
from atelier_gateway.peers.client import PeerClient, PeerUnavailable
from atelier_gateway.peers.reply_listener import ReplyListener
from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.store import NewGeneration
from atelier_messaging import Batcher, Bus, Overloaded, is_outage
from atelier_telemetry.tracing import Span

BATCH_MAX = 100
WAITING_MAX = 2_000
COMMIT_PAUSE_S = 0.3
logger = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(slots=True, eq=False)
class AdmissionRequest:
    """One POST on its way in. ``claim`` stands for its Idempotency-Key, where it has one."""

    generation: NewGeneration
    event: GenerationRequested
    span: Span
    """Of the POST; its message continues this trace although many share the commit."""
    claim: IdempotencyClaim | None = None
    envelope: Envelope | None = None
    """Its message, once it is written."""
    uses: Sequence[media_store.FileUse] = ()
    """The pictures it is made of."""
    is_in_doubt: bool = False
    """Whether a commit was under way when the database went away."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """It will be worked on."""


@dataclass(frozen=True, slots=True)
class Declined:
    """It was refused before anything was reserved. ``available`` is None where it is not known."""

    reason: str
    required: int
    available: int | None


@dataclass(frozen=True, slots=True)
class KeyTaken:
    """Another request holds the Idempotency-Key; nothing was written."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Nothing will come of it (``certain``), or nobody can tell."""

    is_certain: bool = True


AdmissionOutcome = Accepted | Declined | KeyTaken | Unavailable


class Admission:
    """Admits generations through the outbox and the saga."""

    def __init__(self, bus: Bus, replies: ReplyListener, internal: PeerClient, *, within_s: float) -> None:
        self._bus = bus
        self._replies = replies
        self._internal = internal
        self._within_s = within_s
        self._writing: Batcher[AdmissionRequest, bool] = Batcher(
            self._write, batch_max=BATCH_MAX, waiting_max=WAITING_MAX
        )
        self._storing: Batcher[tuple[IdempotencyClaim | None, StoredResponse | None, UUID | None], None] = Batcher(
            self._store_responses, batch_max=BATCH_MAX
        )

    async def submit(self, request: AdmissionRequest) -> AdmissionOutcome:
        """Answers when it is known what becomes of the request, within about twice ``within_s`` seconds."""
        if not self._bus.is_connected:
            return Unavailable()
        try:
            written = await self._writing.submit(request)
        except Overloaded:
            return Unavailable()
        except Exception as failed:
            if not is_outage(failed):
                raise
            logger.warning("a request could not be written: %r", failed)
            return await self._resolve_failed_commit(request)
        if not written:
            return KeyTaken()
        assert request.envelope is not None, "what is written has a message"
        reply = await self._replies.publish_and_wait(
            request.generation.id, self._bus.outbox.dispatch(request.envelope), within_s=self._within_s
        )
        return await self._outcome(request, reply)

    async def store_response(
        self, claim: IdempotencyClaim | None, reply: StoredResponse, *, declined: UUID | None = None
    ) -> None:
        """Keeps the reply for the next request with this key, and removes a declined generation. Raises an outage of
        the database that lasts longer than ``within_s``."""
        if claim is not None or declined is not None:
            await self._storing.submit((claim, reply, declined))

    async def _outcome(self, request: AdmissionRequest, reply: Message | None) -> AdmissionOutcome:
        match reply:
            case GenerationQueued():
                return Accepted()
            case GenerationRejected(reason="withdrawn"):
                return await self._erase(request)
            case GenerationRejected(reason=reason, required=required, available=available):
                return Declined(reason, required, available)
            case _:
                return await self._withdraw(request)

    async def _withdraw(self, request: AdmissionRequest) -> AdmissionOutcome:
        """No word from the saga: end it there, unless it got in."""
        try:
            state = await self._internal.withdraw(request.generation.id)
        except PeerUnavailable as silent:
            logger.warning("left in the outbox, accepted: %s: %s", request.generation.id, silent)
            return Accepted()
        if state == "withdrawn":
            return await self._erase(request)
        if state == "rejected":
            return Declined("insufficient_credits", request.generation.price, None)
        return Accepted()

    async def _erase(self, request: AdmissionRequest) -> Unavailable:
        """The tombstone stands, so what is left here is only litter: failing to remove it changes nothing."""
        envelope = request.envelope
        assert envelope is not None, "what is forgotten was written"
        try:
            async with self._bus.unit.once(dispatch=False) as work:
                await idempotency_store.erase_request(
                    work.connection, request.generation.id, envelope.id, request.claim
                )
        except Exception as failed:
            if not is_outage(failed):
                raise
            logger.warning("withdrawn, but its rows stay: %s: %r", request.generation.id, failed)
        return Unavailable()

    async def _resolve_failed_commit(self, request: AdmissionRequest) -> Unavailable:
        """The database went away. Before a commit that means nothing was written; after one, a tombstone decides."""
        if not request.is_in_doubt:
            return Unavailable()
        try:
            return Unavailable(is_certain=await self._internal.withdraw(request.generation.id) == "withdrawn")
        except PeerUnavailable:
            return Unavailable(is_certain=False)

    async def _write(self, requests: Sequence[AdmissionRequest]) -> Sequence[bool]:
        """Group commit; while the database is away again whole, with the same ids. Raises an outage in the end."""
        return await self._until_committed(lambda: self._commit(requests))

    async def _until_committed(self, commit: Callable[[], Awaitable[T]]) -> T:
        """What ``commit`` returns, tried again while the database is away; it must be safe to run twice. Raises the
        time-out after ``within_s`` seconds."""
        async with asyncio.timeout(self._within_s):
            while True:
                try:
                    return await commit()
                except Exception as error:
                    if not is_outage(error):
                        raise
                    logger.warning("commit failed, retrying in %s s: %r", COMMIT_PAUSE_S, error)
                await asyncio.sleep(COMMIT_PAUSE_S)

    async def _commit(self, requests: Sequence[AdmissionRequest]) -> list[bool]:
        """One transaction; answers for each whether it is written (else its key is taken)."""
        async with self._bus.unit.once(dispatch=False) as work:
            # What an earlier try committed, though we never heard so, is there with the message it still carries.
            done = await projection_store.find_existing(
                work.connection, [r.generation.id for r in requests if r.is_in_doubt]
            )
            todo = [request for request in requests if request.generation.id not in done]
            taken = await idempotency_store.insert_claims(
                work.connection, [r.claim for r in todo if r.claim is not None]
            )
            fresh = [r for r in todo if r.claim is None or r.claim.holder in taken]
            await projection_store.insert(work.connection, [request.generation for request in fresh])
            used = [(one.event.owner, one.generation.id, use) for one in fresh for use in one.uses]
            await media_store.link(work.connection, used)
            for request in fresh:
                request.envelope = work.emit(request.event, cause=request.span)
            for request in requests:
                request.is_in_doubt = True
        written = done | {request.generation.id for request in fresh}
        return [request.generation.id in written for request in requests]

    async def _store_responses(
        self, items: Sequence[tuple[IdempotencyClaim | None, StoredResponse | None, UUID | None]]
    ) -> Sequence[None]:
        kept = [(claim, reply) for claim, reply, _ in items if claim is not None and reply is not None]
        declined = [generation for *_, generation in items if generation is not None]

        async def commit() -> None:
            async with self._bus.unit.once(dispatch=False) as work:
                await idempotency_store.save_responses(work.connection, kept, declined)

        await self._until_committed(commit)
        return [None] * len(items)
