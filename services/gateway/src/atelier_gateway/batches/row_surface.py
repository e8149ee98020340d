"""What a surface knows of its rows: how one is read, and how one becomes a generation."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from starlette.responses import Response

from atelier_gateway.batches.records import PlannedRow
from atelier_gateway.generations.creation import Draft
from atelier_gateway.generations.failure_problems import FieldNames
from atelier_gateway.identity.authenticator import Principal

Adjust = Callable[[Draft], Draft]
"""Makes the draft of a row the one generation that the row is."""


class RowSurface(Protocol):
    """The rows of one surface."""

    fields: FieldNames
    """What it calls the words and the pictures of a request."""

    async def plan(self, principal: Principal, endpoint: str, line: Mapping[str, Any], number: int) -> PlannedRow:
        """The row that a line asks for. Raises Problem 400 naming the field."""
        ...

    async def create(
        self, principal: Principal, endpoint: str, request: Mapping[str, Any], simulate: str | None, adjust: Adjust
    ) -> Response:
        """201 where its generation is admitted, else why not as a problem. Raises Problem for what left no trace."""
        ...
