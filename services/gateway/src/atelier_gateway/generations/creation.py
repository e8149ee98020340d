"""The one way in for every surface: price, write down, admit, answer; and the same answer for the same key.

A surface hands over a draft and a shape; what a status code means stays here, how a body looks stays there.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

from opentelemetry import trace
from starlette.responses import Response
from uuid_utils.compat import uuid7

from atelier_contracts import GenerationRequested, Owner, RenderSpec, Work
from atelier_contracts.routes import reply_key
from atelier_contracts.value_objects import Metadata
from atelier_gateway.generations import input_rules
from atelier_gateway.generations.admission import Admission
from atelier_gateway.generations.admission_report import cap_problem, log_outcome
from atelier_gateway.generations.admission_request import (
    Accepted,
    AdmissionOutcome,
    AdmissionRequest,
    Declined,
    KeyTaken,
    Unavailable,
)
from atelier_gateway.generations.capacity import Capacity
from atelier_gateway.generations.decline_problems import check_spend_limit, declined_problem
from atelier_gateway.generations.provider_catalogue import (
    ProviderCatalogue,
)
from atelier_gateway.generations.request_record import SALT, new_salt, record_of
from atelier_gateway.generations.response_rebuilder import ResponseRebuilder
from atelier_gateway.generations.rollback import note_admission
from atelier_gateway.generations.surface_responses import SurfaceResponses, replay
from atelier_gateway.generations.token_caps import TokenRefused
from atelier_gateway.idempotency import store as idempotency_store
from atelier_gateway.idempotency.keys import (
    IdempotencyClaim,
    StoredClaim,
    StoredResponse,
    resolve,
)
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.identity.client_token_store import TokenUse
from atelier_gateway.media.store import FileUse, file_use_of
from atelier_gateway.projection.store import NewGeneration
from atelier_gateway.web.problems import Problem, credential_problem
from atelier_gateway.web.request_facts import note_problem
from atelier_gateway.web.request_id import REQUEST_ID
from atelier_gateway.web.simulate_header import spec_for
from atelier_messaging import is_outage
from atelier_messaging.database import Pool
from atelier_telemetry import attributes, metrics
from atelier_telemetry.tracing import exemplar_of, trace_id_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Draft:
    """A create request, parsed and checked. ``request`` is the client's own, as it is stored."""

    work: Work
    spec: RenderSpec
    request: dict[str, Any]
    deadline_s: int
    key: str | None = None
    fingerprint: bytes = b""
    id: UUID = field(default_factory=uuid7)
    """Of the generation it becomes; for surfaces that write something beside it."""
    uses: Sequence[FileUse] = ()
    """The pictures it is made of, to be written down with it (``media/store.py``); else the stored ones of ``spec``."""
    max_credits: int | None = None
    """The most that it may cost."""
    delivery_window_s: int | None = None
    """Charged on delivery: seconds in which the outputs are to be taken."""
    start_within_s: int | None = None
    """Seconds in which its render is to start."""
    quote: str | None = None
    """A signed price that the client names; billing verifies it."""


class GenerationCreator:
    """Turns drafts into generations."""

    def __init__(
        self, pool: Pool, admission: Admission, offers: ProviderCatalogue, capacity: Capacity, instance: str
    ) -> None:
        self._pool = pool
        self._admission = admission
        self._offers = offers
        self._capacity = capacity
        self._reply_to = reply_key(instance)
        self._rebuilder = ResponseRebuilder(pool, admission)
        self._turns: WeakValueDictionary[tuple[Owner, str, str], asyncio.Lock] = WeakValueDictionary()

    async def create(self, principal: Principal, draft: Draft, shape: SurfaceResponses) -> Response:
        """201, 402, or the earlier answer to the same key. Raises Problem for what leaves no trace."""
        began = time.monotonic()
        try:
            request = self._request(principal, draft, shape)
            request.span.set_attribute(attributes.GENERATION_ID, str(request.generation.id))
            check_spend_limit(request.generation.price, draft.max_credits)
            await self._check_capacity(request, shape)
            # It may be admitted from here on, also where this task is cancelled before it knows.
            note_admission(is_admitted=True)
            outcome = await self._admission.submit(request)
            note_admission(is_admitted=isinstance(outcome, Accepted))
        finally:
            exemplar = exemplar_of(trace.get_current_span())
            metrics.child(metrics.ADMISSION_SECONDS, shape.surface).observe(time.monotonic() - began, exemplar)
        log_outcome(request.generation, outcome, seconds=time.monotonic() - began)
        return await self._answer(principal, request, outcome, shape)

    async def replay_or_run(
        self,
        principal: Principal,
        shape: SurfaceResponses,
        key: str | None,
        fingerprint: bytes,
        make: Callable[[], Awaitable[Response]],
    ) -> Response:
        """The answer of ``make``, or the stored answer of the key, before anything is decoded, counted or stored for
        the request. Equal requests at once take turns, so that all get the answer of the first.

        Raises Problem 409 or 422, as ``create`` does.
        """
        if key is None:
            return await make()
        owner, route = principal.owner, principal.keyed_route(shape.route)
        async with self._turns.setdefault((owner, route, key), asyncio.Lock()):
            claim = IdempotencyClaim(owner.kind, owner.id, route, key, fingerprint, uuid7())
            stored = await idempotency_store.find(self._pool, claim)
            return await self._replay_stored(stored, claim, shape, principal) if stored else await make()

    async def _check_capacity(self, request: AdmissionRequest, shape: SurfaceResponses) -> None:
        """Raises Problem where no provider makes it (400, 503) or too much is pending (429, 503); the repetition of an
        earlier request makes no more."""
        try:
            self._offers.check(request.event.spec, shape.unsupported_option)
            await self._capacity.check(request.generation.surface, request.generation.owner)
        except Problem:
            if request.claim is None or await idempotency_store.find(self._pool, request.claim) is None:
                raise

    def _request(self, principal: Principal, draft: Draft, shape: SurfaceResponses) -> AdmissionRequest:
        id_, owner, work = draft.id, principal.owner, draft.work
        spec = spec_for(owner, draft.spec)
        span = trace.get_current_span()
        generation = NewGeneration(
            id=id_,
            channel=principal.channel,
            owner=owner,
            kind=work.kind,
            surface=shape.surface,
            request=draft.request
            | {SALT: new_salt(), "spec": spec.model_dump(mode="json", exclude_none=True, exclude={"simulate"})}
            | (principal.client.mark() if principal.client else {}),
            price=input_rules.price_or_refuse(work).credits,
            created_at=datetime.now(UTC),
            request_id=REQUEST_ID.get() or None,
            trace_id=trace_id_of(span),
        )
        event = GenerationRequested(
            generation_id=id_,
            channel=principal.channel,
            owner=owner,
            work=work,
            spec=spec,
            deadline_s=draft.deadline_s,
            delivery_window_s=draft.delivery_window_s,
            start_within_s=draft.start_within_s,
            metadata=Metadata(draft.request.get("metadata", {})),
            record=record_of(generation),
            spenders=principal.spenders,
            quote=draft.quote,
            reply_to=self._reply_to,
        )
        route = principal.keyed_route(shape.route)
        claim = IdempotencyClaim(owner.kind, owner.id, route, draft.key, draft.fingerprint, id_) if draft.key else None
        token_use = TokenUse(id_, principal.client, generation.price) if principal.client else None
        uses = draft.uses or [
            file_use_of(order, ref) for order, ref in enumerate(draft.spec.inputs) if ref.key is not None
        ]
        return AdmissionRequest(generation, event, span, claim, uses=uses, token_use=token_use)

    async def _answer(
        self, principal: Principal, request: AdmissionRequest, outcome: AdmissionOutcome, shape: SurfaceResponses
    ) -> Response:
        match outcome:
            case Accepted():
                return await self._store_response(request, shape.accepted(request.generation))
            case Declined():
                note_problem(problem := declined_problem(outcome, is_client=principal.client is not None))
                response = shape.problem(problem)
                return await self._store_response(request, response, declined=True)
            case KeyTaken():
                return await self._replay_existing(request, shape, principal)
            case TokenRefused(has_ended=True):
                raise credential_problem()
            case TokenRefused(cap=cap, used=used):
                raise cap_problem(cap, used, request.generation.price)
            case Unavailable(is_certain=True):
                detail = "Nothing was started and nothing is charged; try again later."
                raise Problem("unavailable", detail, headers={"Retry-After": "5"})
            case Unavailable():
                detail = "Ask again with the same Idempotency-Key before you send another request."
                raise Problem("outcome_unknown", detail, headers={"Retry-After": "30"})

    async def _store_response(
        self, request: AdmissionRequest, response: Response, *, declined: bool = False
    ) -> Response:
        """The response, kept under its key. If that fails, the next request with the key rebuilds it."""
        reply = StoredResponse(response.status_code, bytes(response.body))
        try:
            await self._admission.store_response(
                request.claim, reply, declined=request.generation.id if declined else None
            )
        except Exception as error:
            if not is_outage(error):
                raise
            logger.warning(
                "response to generation %s not stored, a repeated request rebuilds it: %r", request.generation.id, error
            )
        return response

    async def _replay_existing(
        self, request: AdmissionRequest, shape: SurfaceResponses, principal: Principal
    ) -> Response:
        """The answer to a key that another request holds. Raises Problem 409 or 422."""
        assert request.claim is not None, "only a request with a key can find it taken"
        stored = await idempotency_store.find(self._pool, request.claim)
        if stored is None:
            raise Problem("request_in_progress", "The first request with this key came to nothing; send it again.")
        return await self._replay_stored(stored, request.claim, shape, principal)

    async def _replay_stored(
        self, stored: StoredClaim, claim: IdempotencyClaim, shape: SurfaceResponses, principal: Principal
    ) -> Response:
        """The answer that a key has, or is given because its first request died before it answered."""
        verdict = resolve(stored, claim.fingerprint)
        return (
            replay(verdict, shape)
            if isinstance(verdict, StoredResponse)
            else await self._rebuilder.rebuild(verdict, claim, shape, is_client=principal.client is not None)
        )
