"""A generation made once more for free: an ordinary new one, whose charge is given back when it has ended.

Nothing about the books is new: the new generation is held, rendered and charged as any other, and ``ReturnCredit``
gives back what was charged for it, in the commit that notes so. Billing posts it once, however often it is sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID, uuid5

from starlette.responses import Response
from uuid_utils.compat import uuid7

from atelier_contracts import GenerationRequested, ReturnCredit
from atelier_gateway.generations import rerender_store
from atelier_gateway.generations.cancellation import Record
from atelier_gateway.generations.creation import Draft, GenerationCreator
from atelier_gateway.generations.request_record import SALT
from atelier_gateway.generations.rerender_store import EndedRerender
from atelier_gateway.generations.surface_responses import SurfaceResponses
from atelier_gateway.idempotency.keys import fingerprint
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.peers import unconfirmed_store
from atelier_gateway.peers.client import PeerClient, PeerUnavailable, unavailable_problem
from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.snapshot import TERMINAL
from atelier_gateway.projection.store import Generation, NewGeneration
from atelier_gateway.web.json_bodies import json_response
from atelier_gateway.web.problems import Problem, problem_json
from atelier_messaging import Transaction, UnitOfWork

SETTLE_EVERY_S = 2.0
REPEAT_AFTER_S = 600.0
"""How old an order is at least whose return is ordered again."""
RETURN_NAMES = UUID("5b2fd0e4-7f0e-4c3b-9d80-1a6d1b3f9a52")
"""Namespace of the corrections: one return for one generation, for good."""
OWN_TABLES = ("stories",)
"""Surfaces that keep more of a generation than the projection does."""
ROUTE = "POST /v1/admin/generations/rerender"


@dataclass(frozen=True, slots=True)
class RerenderOrder:
    """Who has it made once more, and why; ``key`` names the order, so that it is done once."""

    key: str
    reason: str
    operator: str


class Rerenderer:
    """Orders re-renders and gives back their charges."""

    def __init__(self, unit: UnitOfWork, peers: PeerClient, creator: GenerationCreator) -> None:
        self._unit = unit
        self._peers = peers
        self._creator = creator

    async def order(self, original: Generation, order: RerenderOrder, record: Record) -> Response:
        """201 with the new generation's id; the same again for the same key. ``record`` writes into the transaction
        that notes the order. Raises Problem 402 where its owner lacks the credits that are held until then, 409 for one
        that has not ended or is of a surface with records of its own."""
        if original.snapshot.rank != TERMINAL:
            raise Problem("conflict", "This generation has not ended; cancel it first.")
        if original.surface in OWN_TABLES:
            raise Problem("conflict", "Generations of this surface cannot be made again; return the charge.")
        requested = await self._requested(original.id)
        id_ = await self._note(original, order, record)
        known = await projection_store.find_by_id(self._unit.pool, id_)
        if known is not None and known.snapshot.state not in ("accepted", "rejected"):
            return _ordered(original.id, known)
        draft = Draft(
            requested.work,
            requested.spec.model_copy(update={"reuse": False}),
            {name: value for name, value in original.request.items() if name not in (SALT, "spec")},
            requested.deadline_s,
            key=order.key,
            fingerprint=fingerprint(ROUTE, str(original.id)),
            id=id_,
            delivery_window_s=requested.delivery_window_s,
        )

        shape = SurfaceResponses(original.surface, ROUTE, partial(_ordered, original.id), problem_json)
        return await self._creator.create(Principal(original.owner, original.channel), draft, shape)

    async def settle(self) -> None:
        """Gives back what was charged for those that have ended."""
        async with self._unit.once() as tx:
            await _settle(tx, await rerender_store.lock_ended(tx.connection))

    async def repeat_returns(self) -> None:
        """Orders the returns again that are not known to be posted after long: what the broker held may be gone.
        Billing posts each once. Raises PeerUnavailable."""
        for each in await rerender_store.list_unreturned(self._unit.pool, after_s=REPEAT_AFTER_S):
            hold = await self._peers.get_hold(each.generation_id) or {}
            async with self._unit.once() as tx:
                if hold.get("captured", 0) > hold.get("returned", 0):
                    tx.emit(_return_of(each))
                elif hold:
                    await projection_store.note_returns(tx.connection, {each.generation_id: hold["captured"]})

    async def _note(self, original: Generation, order: RerenderOrder, record: Record) -> UUID:
        """The id of the new generation: that of the first order with the key."""
        new = uuid7()
        async with self._unit.once() as tx:
            is_new = await rerender_store.insert(
                tx.connection, new, original.id, order.key, reason=order.reason, operator=order.operator
            )
            if not is_new:
                return await rerender_store.order_again(tx.connection, original.id, order.key)
            await record(tx)
        return new

    async def _requested(self, id_: UUID) -> GenerationRequested:
        """The request as the session got it. Raises Problem 409 where it is gone, 503."""
        try:
            found = await self._peers.get_or_none("session", f"/internal/generations/{id_}/request")
        except PeerUnavailable as error:
            raise unavailable_problem(error) from error
        if found is None or "spec" not in found:
            raise Problem("conflict", "What was asked for is not on record any more; it cannot be made again.")
        return GenerationRequested.model_validate(found)


def _ordered(original: UUID, new: NewGeneration) -> Response:
    return json_response({"id": new.id, "rerender_of": original, "price": new.price}, 201)


async def settle_deleted(tx: Transaction, id_: UUID) -> None:
    """Gives back what was charged for a re-render before its owner's deletion removes what is known of it."""
    await _settle(tx, await rerender_store.lock_ended_of(tx.connection, id_))


async def _settle(tx: Transaction, ended: Sequence[EndedRerender]) -> None:
    for charged, state in ((True, "returned"), (False, "uncharged")):
        ids = [each.generation_id for each in ended if each.charged is charged]
        if ids:
            await rerender_store.settle(tx.connection, ids, state)
    for each in ended:
        if each.charged:
            tx.emit(await unconfirmed_store.insert(tx.connection, _return_of(each)))


def _return_of(each: EndedRerender) -> ReturnCredit:
    correction = uuid5(RETURN_NAMES, str(each.generation_id))
    return ReturnCredit(correction_id=correction, generation_id=each.generation_id, reason=each.reason)
