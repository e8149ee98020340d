"""The rows of native batches: each is a create as ``POST /v1/generations`` takes it."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from pydantic import ValidationError
from starlette.responses import Response

from atelier_gateway.batches.records import PlannedRow
from atelier_gateway.batches.row_surface import Adjust
from atelier_gateway.container import Container
from atelier_gateway.generations import input_rules
from atelier_gateway.generations.failure_problems import FieldNames
from atelier_gateway.generations.surface_responses import SurfaceResponses
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.surfaces.create_headers import CreateHeaders
from atelier_gateway.surfaces.native.batch_requests import GenerationBatchRow
from atelier_gateway.surfaces.native.create import ParsedCreate, build_draft, check_create
from atelier_gateway.surfaces.native.inline_inputs import create_with_inline_inputs
from atelier_gateway.surfaces.native.quotes import fit_quote_size
from atelier_gateway.surfaces.native.requests import GenerationRequest
from atelier_gateway.surfaces.native.responses import render_accepted
from atelier_gateway.web.json_bodies import validation_problem
from atelier_gateway.web.problems import Problem, field_problem, problem_at, problem_json
from atelier_gateway.web.simulate_header import parse_simulation

NATIVE = "native"
ROUTE = "batch row"
NOT_IN_A_BATCH: Mapping[str, str] = {
    "charge": "a batch is charged on completion, row by row",
    "delivery_window_s": "a batch is charged on completion, row by row",
    "quote": "a batch is quoted as a whole",
}
"""Fields of a create that a row does not take, and why."""


class NativeRows:
    """Reads and creates the rows of native batches."""

    fields = FieldNames("prompt", "inputs")

    def __init__(self, container: Container) -> None:
        self._container = container
        accepted = partial(render_accepted, public_url=container.settings.public_root)
        self._shape = SurfaceResponses(NATIVE, ROUTE, accepted, problem_json)

    async def plan(self, principal: Principal, endpoint: str, line: Mapping[str, Any], number: int) -> PlannedRow:  # noqa: ARG002 - there is one endpoint
        """The row that a line asks for. Raises Problem 400 naming the field."""
        try:
            row = GenerationBatchRow.model_validate_json(json.dumps(line))
        except ValidationError as error:
            raise validation_problem(error) from None
        try:
            create = await self._check(principal, row.request, row.simulate)
            create = await fit_quote_size(self._container, principal, create)
            _check_limit(row.request, input_rules.price_or_refuse(create.work).credits)
        except Problem as error:
            raise problem_at("request.", error) from None
        request = {
            "request": row.request.model_dump(mode="json", exclude_unset=True),
            **({"simulate": row.simulate} if row.simulate else {}),
        }
        return PlannedRow(row.custom_id or str(number), request, create.work)

    async def create(
        self,
        principal: Principal,
        endpoint: str,  # noqa: ARG002 - there is one endpoint
        request: Mapping[str, Any],
        simulate: str | None,
        adjust: Adjust,
    ) -> Response:
        """201 where its generation is admitted, else why not as a problem. Raises Problem for what left no trace."""
        body = GenerationRequest.model_validate_json(json.dumps(request["request"]))
        if "priority" not in body.model_fields_set:
            body = body.model_copy(update={"priority": "low"})
        create = await self._check(principal, body, request.get("simulate") or simulate)

        async def admit(body: GenerationRequest) -> Response:
            draft = adjust(await build_draft(self._container, principal, create, body))
            return await self._container.creator.create(principal, draft, self._shape)

        return await create_with_inline_inputs(self._container, principal, create.body, create.text, admit)

    async def _check(self, principal: Principal, body: GenerationRequest, simulate: str | None) -> ParsedCreate:
        for field, why in NOT_IN_A_BATCH.items():
            if getattr(body, field) != GenerationRequest.model_fields[field].default:
                raise field_problem(field, why)
        for index, given in enumerate(body.inputs):
            if given.data is not None:
                raise field_problem(f"inputs.{index}.data", "a row names a key or a URL; upload it first")
        simulation = parse_simulation(simulate, allowed=self._container.simulates(principal.owner))
        return await check_create(self._container, principal, body, CreateHeaders(None, simulation, simulate or ""))


def _check_limit(body: GenerationRequest, credits: int) -> None:
    """Raises Problem 400 for a price above the limit of the row."""
    if body.max_credits is not None and credits > body.max_credits:
        raise field_problem("max_credits", f"it costs {credits} credits")
