"""Puts outputs into their clients' own buckets, by the URLs that the clients have signed for that.

What a bucket answers with 2xx is delivered, as if it had been fetched: under a transfer, so that while it is on its
way the handover is not closed. What it refuses for good, or does not take after some tries, is undeliverable: the
session is informed and refunds it. A process that dies in between is succeeded by another, which puts the same bytes
to the same URL.
"""

import asyncio
import logging
from typing import NamedTuple

from atelier_contracts import CancelRequested
from atelier_gateway.generations import bucket_store
from atelier_gateway.generations.bucket_store import LeasedUpload, PutOutcome
from atelier_gateway.generations.delivery import OutputDeliverer
from atelier_gateway.peers import unconfirmed_store
from atelier_gateway.projection import store as projection_store
from atelier_gateway.web.problems import Problem
from atelier_gateway.webhooks.receiver_urls import host_of
from atelier_messaging import UnitOfWork, is_outage
from atelier_storage.errors import FetchFailed, ObjectMissing, StorageUnavailable
from atelier_storage.objects import PUT_BYTES_MAX, ObjectStore
from atelier_storage.safe_poster import PostResponse, SafePoster
from atelier_storage.url_policy import UrlRefusal

POLL_EVERY_S = 5.0
PAUSE_S_MAX = 30.0
AT_ONCE, OF_OWNER_AT_ONCE = 8, 2
"""Outputs that one process holds in memory to put them, and that all processes together put for one owner."""
PUT_S_MAX = 25.0
"""Less than a transfer may take (``delivery.TRANSFER_S_MAX``)."""
LEASE_S = 60.0
RETRY_DELAYS_S = (2.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds before each further try; after the last one the output is undeliverable."""
AGAIN = frozenset({408, 425, 429})
"""Refusals that may pass, beside those of 5xx."""
USER_AGENT = "atelier-delivery/1"
REASON_CHARS_MAX = 500
logger = logging.getLogger(__name__)


class _Verdict(NamedTuple):
    """``delivered``, ``pending`` (again in ``wait_s``) or ``failed``."""

    state: str
    wait_s: float = 0.0


class BucketDelivery:
    """Puts what is due, as long as it runs."""

    def __init__(self, work: UnitOfWork, objects: ObjectStore, deliverer: OutputDeliverer, poster: SafePoster) -> None:
        self._work = work
        self._objects = objects
        self._deliverer = deliverer
        self._poster = poster
        self._woken = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """There is something to put; a hint, it is looked for anyway."""
        self._woken.set()

    async def run(self) -> None:
        """Runs until cancelled. A failure is logged and slows the loop down; nothing is lost by it."""
        pause = POLL_EVERY_S
        try:
            while True:
                try:
                    await self.put_due()
                    pause = POLL_EVERY_S
                except Exception:
                    pause = min(PAUSE_S_MAX, pause * 2)
                    logger.exception("putting outputs into buckets failed; again in %.1f s", pause)
                await self._pause(pause)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def put_due(self) -> None:
        """Begins to put what is due and has room. Each has a task of its own: none waits for a slower one."""
        self._woken.clear()
        if (room := AT_ONCE - len(self._tasks)) <= 0:
            return
        due = await bucket_store.lease(self._work.pool, limit=room, of_owner=OF_OWNER_AT_ONCE, lease_s=LEASE_S)
        for each in due:
            task = asyncio.create_task(self._put_safely(each))
            self._tasks.add(task)
            task.add_done_callback(self._on_put)

    def _on_put(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self.wake()  # there is room again

    def close(self) -> None:
        """Lets go of what it sends with."""
        self._poster.close()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _put_safely(self, due: LeasedUpload) -> None:
        """What cannot be put or written down now is tried again when its lease is over."""
        try:
            await self._put(due)
        except Problem:
            logger.info("generation %s is being fetched, its end waits for that", due.generation_id)
        except Exception as error:
            if is_outage(error):
                logger.warning("output of generation %s not put, tried again later: %r", due.generation_id, error)
            else:
                logger.exception("output of generation %s not put, tried again later", due.generation_id)

    async def _put(self, due: LeasedUpload) -> None:
        # Read before the transfer begins: nothing may close the handover while the bytes are on their way.
        data = await self._read(due.artefact) if due.artefact else b""
        if isinstance(data, PutOutcome):
            await self._record(due, data, _judge(data, due.tries))
            return
        transfer = await self._deliverer.begin_transfer(due.generation_id, due.output) if due.artefact else None
        if transfer is None or due.artefact is None:
            # Its window has passed, its owner has cancelled it, or it was taken in another way and has ended.
            await self._record(due, PutOutcome(error="it could no longer be delivered"), _Verdict("failed"))
            return
        outcome = PutOutcome(error="the process stopped")
        try:
            outcome = await self._send(due, data, str(due.artefact["content_type"]))
        finally:
            verdict = _judge(outcome, due.tries)
            delivered = verdict.state == "delivered"
            await self._deliverer.end_transfer(due.generation_id, transfer, is_sent=delivered, how="bucket")
        await self._record(due, outcome, verdict)

    async def _read(self, artefact: dict[str, object]) -> bytes | PutOutcome:
        try:
            return await self._objects.get(str(artefact["key"]), PUT_BYTES_MAX)
        except ObjectMissing:
            return PutOutcome(error="the output is gone", status=410)
        except StorageUnavailable as error:
            return PutOutcome(error=str(error) or type(error).__name__)

    async def _send(self, due: LeasedUpload, data: bytes, content_type: str) -> PutOutcome:
        headers = {"Content-Type": content_type, "User-Agent": USER_AGENT}
        try:
            answer = await self._poster.put(due.url, data, headers)
        except FetchFailed as error:
            return PutOutcome(error=str(error) or type(error).__name__)
        if isinstance(answer, UrlRefusal):
            return PutOutcome(error=answer.message, status=400)
        assert isinstance(answer, PostResponse)
        if 200 <= answer.status < 300:
            return PutOutcome(answer.status, answer.etag)
        return PutOutcome(answer.status, error=f"it answered {answer.status}")

    async def _record(self, due: LeasedUpload, outcome: PutOutcome, verdict: _Verdict) -> None:
        """Writes it down. Where that was the last output of the generation to be put, and one has failed, nothing more
        of it is delivered, and the session is informed; while one is being fetched, that waits for the next try."""
        id_ = due.generation_id
        async with self._work.once() as work:
            if due.artefact is not None:
                await projection_store.lock_snapshots(work.connection, [id_])
            if not await bucket_store.record(work.connection, due, verdict.state, outcome, wait_s=verdict.wait_s):
                return
            pending, refused = await bucket_store.standing(work.connection, id_)
            if refused is not None and not pending and due.artefact is not None:
                delivered = await self._deliverer.close(work, id_)
                reason = f"the client's bucket did not take the output: {refused}"[:REASON_CHARS_MAX]
                cancel = CancelRequested(generation_id=id_, cause="undeliverable", reason=reason, delivered=delivered)
                work.emit(await unconfirmed_store.insert(work.connection, cancel))
        what = f"{verdict.state}, {outcome.error or outcome.status}"
        logger.info("output %d of generation %s put to %s: %s", due.output, id_, host_of(due.url), what)


def _judge(outcome: PutOutcome, tries: int) -> _Verdict:
    """2xx is delivered. What the bucket refuses for good has failed; what it may yet take is tried again some times."""
    status = outcome.status
    if outcome.error is None:
        return _Verdict("delivered")
    is_final = status is not None and status < 500 and status not in AGAIN
    if is_final or tries >= len(RETRY_DELAYS_S):
        return _Verdict("failed")
    return _Verdict("pending", RETRY_DELAYS_S[tries])
