"""From lines to priced rows: what is wrong with a batch is said before any of it begins, and its price is one quote.

Each distinct work is priced and signed by billing once, for as long as the batch may take, and every row of it names
that signature: no row costs more than was quoted, even if the price book changes.
"""

import asyncio
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from atelier_contracts import Owner, Work
from atelier_gateway.batches.records import LineError, PlannedRow, RowPrice, line_error
from atelier_gateway.batches.row_surface import RowSurface
from atelier_gateway.generations import input_rules
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.peers.client import PeerClient
from atelier_gateway.peers.quotes import sign_quote
from atelier_gateway.web.problems import Problem, field_problem

ERRORS_MAX = 100
"""How many lines at fault are named."""
LINES_AT_ONCE = 50
"""So many lines are read before others have a turn."""
SIGNED_MAX = 200
"""Distinct works that are signed; the price of a row beyond is kept by refusing the row where it has risen."""
SIGNED_AT_ONCE = 8
SPARE_S = 3_600
"""Seconds for which a quote outlasts the window."""
NESTING_MAX = 100
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Plan:
    """A batch that can begin. ``price_of`` says by the index of a row which of the prices it has."""

    rows: Sequence[PlannedRow]
    prices: Sequence[RowPrice]
    price_of: Mapping[int, int]

    @property
    def credits(self) -> int:
        """The price of all rows."""
        return sum(self.prices[self.price_of[index]].credits for index in range(len(self.rows)))


def split_lines(content: bytes, *, rows_max: int) -> list[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers, from 1. Raises Problem 400."""
    numbered = enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1)
    lines = [(number, line) for number, line in numbered if line.strip()]
    if not lines:
        raise field_problem("body", "at least one line is required, each a JSON object")
    if len(lines) > rows_max:
        raise field_problem("body", f"at most {rows_max} lines are taken, this has {len(lines)}")
    return lines


def parse_line(line: bytes) -> Mapping[str, Any]:
    """Raises Problem 400 where it is no JSON object."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise Problem("invalid_request", "The line is not JSON.") from None
    if not isinstance(value, dict):
        raise Problem("invalid_request", "The line is not a JSON object.")
    return value


def check_storable(line: Mapping[str, Any]) -> None:
    """Raises Problem 400 for what PostgreSQL stores in no JSON: NUL, halves of surrogate pairs, numbers without end;
    and for what is nested deeper than those who read it go."""
    waiting: list[tuple[Any, int]] = [(line, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > NESTING_MAX:
            raise Problem("invalid_request", "The line is nested too deeply.")
        if isinstance(value, Mapping):
            waiting += [(each, depth + 1) for pair in value.items() for each in pair]
        elif isinstance(value, list):
            waiting += [(each, depth + 1) for each in value]
        elif isinstance(value, str) and _UNSTORABLE.search(value):
            raise Problem("invalid_request", "The line has NUL or half of a surrogate pair, which is no character.")
        elif isinstance(value, float) and not math.isfinite(value):
            raise Problem("invalid_request", "The line has a number that is none.")


async def plan_rows(
    surface: RowSurface,
    principal: Principal,
    endpoint: str,
    lines: Iterable[tuple[int, bytes | Mapping[str, Any]]],
) -> list[PlannedRow] | list[LineError]:
    """The rows, or what is wrong with the lines, at most ``ERRORS_MAX`` of them."""
    rows: list[PlannedRow] = []
    errors: list[LineError] = []
    seen: dict[str, int] = {}
    for index, (number, line) in enumerate(lines):
        if index % LINES_AT_ONCE == 0:
            await asyncio.sleep(0)
        try:
            value = parse_line(line) if isinstance(line, bytes) else line
            check_storable(value)
            row = await surface.plan(principal, endpoint, value, number)
            input_rules.price_or_refuse(row.work)
            rows.append(row)
        except Problem as error:
            errors.append(line_error(number, error))
        else:
            if (first := seen.setdefault(row.custom_id, number)) != number:
                same = f"custom_id: line {first} has the same."
                errors.append(LineError(number, "duplicate_custom_id", same, "custom_id"))
        if len(errors) == ERRORS_MAX:
            break
    return errors or rows


async def price_rows(peers: PeerClient, owner: Owner, rows: Sequence[PlannedRow], *, window_s: int) -> Plan:
    """The rows with their prices, signed for the window. Raises PeerUnavailable."""
    places: dict[Work, int] = {}
    price_of = {index: places.setdefault(row.work, len(places)) for index, row in enumerate(rows)}
    turns = asyncio.Semaphore(SIGNED_AT_ONCE)

    async def price(work: Work, place: int) -> RowPrice:
        if place >= SIGNED_MAX:
            return RowPrice(work, input_rules.price_or_refuse(work).credits)
        async with turns:
            signed = await sign_quote(peers, owner, work, good_for_s=window_s + SPARE_S)
        return RowPrice(work, signed["credits"], signed["quote"])

    prices = await asyncio.gather(*(price(work, place) for work, place in places.items()))
    return Plan(rows, prices, price_of)
