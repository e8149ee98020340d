"""Routes for operators: generations of all owners, as lists and one by one, and their cancellation."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, get_args

from fastapi import APIRouter, Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from atelier_contracts import Owner
from atelier_contracts.value_objects import OwnerKind
from atelier_gateway.container import Container
from atelier_gateway.generations import rerender_store
from atelier_gateway.generations.request_record import without_signatures
from atelier_gateway.generations.rerenderer import RerenderOrder
from atelier_gateway.idempotency.keys import IDEMPOTENCY_KEY_HEADER, validate_key
from atelier_gateway.peers.client import PeerUnavailable, unavailable_problem
from atelier_gateway.projection import operator_lists
from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.operator_lists import Filters
from atelier_gateway.projection.store import Generation
from atelier_gateway.surfaces.admin import generation_openapi as openapi
from atelier_gateway.surfaces.admin.access import operator_of, operators_routes, record
from atelier_gateway.surfaces.admin.generation_openapi import (
    AGE_S_MAX,
    OPEN,
    STATES,
    GenerationCancellation,
    GenerationRerender,
)
from atelier_gateway.surfaces.admin.requests import id_in, word_in
from atelier_gateway.surfaces.admin.responses import LIST_DEFAULT, LIST_MAX
from atelier_gateway.web.json_bodies import body_schema, id_from_path, json_response, parse_body
from atelier_gateway.web.pagination import parse_number, parse_page
from atelier_gateway.web.problems import field_problem, not_found
from atelier_messaging import Transaction

PRESIGN_S_MAX = 300
KINDS = get_args(OwnerKind)


def router(container: Container) -> APIRouter:
    """Routes under ``/v1/admin/generations``, for operators."""
    routes = operators_routes(container, "/generations")
    _add_reads(routes, container)
    _add_cancel(routes, container)
    _add_rerender(routes, container)
    return routes


def _add_reads(routes: APIRouter, container: Container) -> None:
    @routes.get("", responses=openapi.LISTED, openapi_extra=openapi.PAGED)
    async def list_all_generations(request: Request) -> Response:
        """List generations of all owners, newest first; `state=open`: those that have not ended, oldest first."""
        query = request.query_params
        limit, cursor = parse_page(query, default=LIST_DEFAULT, most=LIST_MAX)
        filters = _filters(query)
        if query.get("state") == OPEN:
            age_s = parse_number(query, "older_than_s", default=1, most=AGE_S_MAX)
            page = await operator_lists.list_open(
                container.pool, filters, after=cursor, limit=limit, older_than_s=age_s if "older_than_s" in query else 0
            )
        else:
            page = await operator_lists.list_newest(container.pool, filters, before=cursor, limit=limit)
        return json_response({"data": [_view(found) for found in page.generations], "next_cursor": page.cursor})

    @routes.get("/{id}", responses=openapi.FOUND)
    async def get_operator_generation(id: str) -> Response:
        """Get a generation with what its client requested and what was made."""
        found = await _load(container, id)
        rerenders = [asdict(each) for each in await rerender_store.list_of(container.pool, found.id)]
        more = {
            "request": without_signatures(found.request),
            "outputs": _outputs(container, found),
            "rerenders": rerenders,
        }
        return json_response(_view(found) | more)

    @routes.get("/{id}/receipt", responses=openapi.RECEIPT)
    async def get_operator_receipt(id: str) -> Response:
        """Get the signed receipt of a generation, as its owner gets it; there is one once it has ended."""
        try:
            found = await container.peers.get_signed_receipt(id_from_path(id, "generation"))
        except PeerUnavailable as error:
            raise unavailable_problem(error) from error
        if found is None:
            raise not_found("receipt")
        return json_response(found)


def _add_cancel(routes: APIRouter, container: Container) -> None:
    @routes.post(
        "/{id}/cancel", responses=openapi.CANCELLED, openapi_extra=body_schema(GenerationCancellation, required=True)
    )
    async def cancel_operator_generation(request: Request, id: str) -> Response:
        """Cancel a generation that has not ended; its credits go back to its owner.

        409 where it has ended: what was charged is returned by `/v1/admin/credits/returns`.
        """
        body, found = await parse_body(request, GenerationCancellation), await _load(container, id)

        async def note(tx: Transaction) -> None:
            await record(tx, request, "generation.cancel", "generation", found.id, reason=body.reason)

        await container.canceller.cancel(found, note)
        return json_response(_view(await _load(container, id)))


def _add_rerender(routes: APIRouter, container: Container) -> None:
    @routes.post(
        "/{id}/rerender",
        status_code=201,
        responses=openapi.RERENDERED,
        openapi_extra=body_schema(GenerationRerender, required=True),
    )
    async def rerender_operator_generation(request: Request, id: str) -> Response:
        """Create the same generation once more, for free: its charge is given back when it has ended.

        Its owner needs the credits that are held until then (402). An `Idempotency-Key` makes one of it.
        """
        body, found = await parse_body(request, GenerationRerender), await _load(container, id)
        key = validate_key(request.headers.get(IDEMPOTENCY_KEY_HEADER)) or uuid7().hex
        order = RerenderOrder(key, body.reason, operator_of(request).name)

        async def note(tx: Transaction) -> None:
            await record(tx, request, "generation.rerender", "generation", found.id, reason=body.reason)

        return await container.rerenderer.order(found, order, note)


def _filters(query: Mapping[str, str]) -> Filters:
    """Raises Problem 400."""
    state, owner_id = query.get("state"), id_in(query, "owner_id")
    if state is not None and state not in STATES:
        raise field_problem("state", f"one of {', '.join(STATES)} is required")
    if (kind := query.get("owner_kind", "store")) not in KINDS:
        raise field_problem("owner_kind", f"one of {', '.join(KINDS)} is required")
    owner = Owner.model_validate({"kind": kind, "id": owner_id}) if owner_id else None
    return Filters(
        states=None if state in (None, OPEN) else (str(state),),
        kind=word_in(query, "kind"),
        surface=word_in(query, "surface"),
        owner=owner,
    )


async def _load(container: Container, id_: str) -> Generation:
    found = await projection_store.find_by_id(container.pool, id_from_path(id_, "generation"))
    if found is None:
        raise not_found("generation")
    return found


def _view(found: Generation) -> dict[str, Any]:
    now = found.snapshot
    return {
        "id": found.id,
        "owner": {"kind": found.owner.kind, "id": found.owner.id},
        "kind": found.kind,
        "surface": found.surface,
        "state": now.state,
        "progress": now.progress,
        "price": found.price,
        "credits": {
            "reserved": now.credits_reserved,
            "captured": now.credits_captured,
            "refunded": now.credits_refunded,
            "returned": now.credits_returned,
        },
        "error": now.error,
        "provider": now.maker or found.request.get("provider"),
        "model": now.model or found.request.get("model"),
        "created_at": found.created_at,
        "started_at": now.started_at,
        "ended_at": now.ended_at,
        "updated_at": found.updated_at,
        "request_id": found.request_id,
        "trace_id": found.trace_id,
    }


def _outputs(container: Container, found: Generation) -> list[dict[str, Any]]:
    """None of what is charged on delivery before it is: an operator who looks at it is not its customer."""
    sign = container.objects.presign_get
    return [
        {
            "url": sign(output["key"], PRESIGN_S_MAX),
            "thumbnail": sign(small, PRESIGN_S_MAX) if (small := output.get("thumbnail")) else None,
            "content_type": output["content_type"],
            "checksum": f"sha256:{output['sha256']}",
        }
        for output in found.snapshot.outputs
    ]
