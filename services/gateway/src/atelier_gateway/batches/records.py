"""What a batch and its rows are, and what they come to. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from atelier_contracts import Channel, Owner, Spender, Work
from atelier_gateway.web.problems import Problem

BatchState = Literal[
    "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
]
RowState = Literal["waiting", "submitted", "succeeded", "failed", "cancelled", "expired"]
Part = Literal["output", "errors"]
OPEN_STATES: tuple[BatchState, ...] = ("validating", "in_progress", "finalizing", "cancelling")
ENDED_ROWS: tuple[RowState, ...] = ("succeeded", "failed", "cancelled", "expired")
PARTS: Mapping[Part, tuple[RowState, ...]] = {"output": ("succeeded",), "errors": ("failed", "cancelled", "expired")}
"""Which rows are in which file of a batch."""


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """One request of a batch, valid and priced by what it depends on; ``request`` is the client's own."""

    custom_id: str
    request: dict[str, Any]
    work: Work


@dataclass(frozen=True, slots=True)
class RowPrice:
    """The price of all rows that ask for the same work; ``quote`` is billing's signature of it, where it was signed."""

    work: Work
    credits: int
    quote: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """A row of ``batches``."""

    id: UUID
    owner: Owner
    channel: Channel
    spenders: tuple[Spender, ...]
    surface: str
    endpoint: str
    input_file_id: UUID | None
    attributes: Mapping[str, Any]
    simulate: str | None
    window_s: int
    output_life_s: int | None
    state: BatchState
    rows: int
    quoted: int
    prices: Sequence[RowPrice]
    errors: Sequence[Mapping[str, Any]] | None
    output_file_id: UUID | None
    error_file_id: UUID | None
    created_at: datetime
    expires_at: datetime
    in_progress_at: datetime | None = None
    finalizing_at: datetime | None = None
    cancelling_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether something is still to be done for it."""
        return self.state in OPEN_STATES


@dataclass(frozen=True, slots=True)
class Row:
    """A row of ``batch_rows``; ``request`` is None once it has ended."""

    batch_id: UUID
    number: int
    custom_id: str
    request: dict[str, Any] | None
    state: RowState
    generation_id: UUID
    attempt: int
    price: int
    credits: int
    problem: Mapping[str, Any] | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class RowEnd:
    """How a row ended. ``credits`` were charged."""

    number: int
    generation_id: UUID
    state: RowState
    credits: int = 0
    problem: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """How far a batch is: rows by state, and credits. ``held`` is the price of the rows under way."""

    states: Mapping[RowState, int]
    captured: int = 0
    held: int = 0

    def count(self, *states: RowState) -> int:
        """How many rows are in one of these states."""
        return sum(self.states.get(state, 0) for state in states)


@dataclass(frozen=True, slots=True)
class LineError:
    """What is wrong with one line; ``line`` counts from 1, None where it is about the whole."""

    line: int | None
    code: str
    message: str
    param: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As it is stored and shown."""
        return {"line": self.line, "code": self.code, "message": self.message, "param": self.param}


def line_error(line: int | None, problem: Problem) -> LineError:
    """The problem as the error of a line."""
    errors = problem.details.get("errors") or [{"field": None}]
    return LineError(line, problem.code, problem.detail, errors[0]["field"])


def problem_record(problem: Problem) -> dict[str, Any]:
    """A problem as it is stored with a row; ``problem_of`` reads it."""
    return {"code": problem.code, "detail": problem.detail, "errors": problem.details.get("errors")}


def problem_of(record: Mapping[str, Any]) -> Problem:
    """The problem that was stored."""
    details = {"errors": record["errors"]} if record.get("errors") else None
    return Problem(record["code"], record["detail"], details=details)
