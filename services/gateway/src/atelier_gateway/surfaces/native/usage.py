"""Usage: what an account's generations cost in a period, as JSON in pages or as one CSV file."""

import base64
import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from atelier_gateway.container import Container
from atelier_gateway.identity import stores
from atelier_gateway.peers.client import PeerUnavailable, unavailable_problem
from atelier_gateway.peers.usage import PeriodTooLarge, fetch_usage
from atelier_gateway.rate_limits.request_limits import RequestLimits, with_rate_limits
from atelier_gateway.surfaces.native.generations import PREFIX
from atelier_gateway.surfaces.native.request_rules import owner_rule
from atelier_gateway.surfaces.native.usage_openapi import UsagePage
from atelier_gateway.web.json_bodies import json_response
from atelier_gateway.web.openapi_responses import CURSOR, WORKSPACE, answers, query
from atelier_gateway.web.pagination import parse_number
from atelier_gateway.web.periods import FROM, TO, Period, parse_period
from atelier_gateway.web.problems import field_problem

DIMENSIONS = ("day", "key", "kind", "model")
KEY_PREFIX = "key_prefix"
AMOUNTS = ("generations", "reserved", "captured", "refunded", "returned")
ROWS_DEFAULT, ROWS_MAX = 100, 1_000
CURSOR_CHARS_MAX = 1_000
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would compute."""
CSV_TYPE = "text/csv"
Row = dict[str, Any]

USAGE = answers({200: ("The rows, in the order of `by`.", UsagePage)}, "invalid_request")
USAGE[200]["content"] = {CSV_TYPE: {"schema": {"type": "string"}}}
PARAMETERS = [
    FROM,
    TO,
    query(
        "by", {"type": "string", "examples": ["day,kind"]}, "What rows are grouped by: `day`, `key`, `kind`, `model`."
    ),
    query("format", {"type": "string", "enum": ["json", "csv"]}, "`csv`: all rows as one file; also by `Accept`."),
    query("limit", {"type": "integer", "minimum": 1, "maximum": ROWS_MAX, "default": ROWS_DEFAULT}, "Rows of a page."),
    *(CURSOR, WORKSPACE),
]


def router(container: Container) -> APIRouter:
    """The route of usage."""
    routes = APIRouter(prefix=PREFIX, tags=["Credits"])
    per_owner = owner_rule(container.settings.native_requests_per_minute)

    @routes.get("/usage", responses=USAGE, openapi_extra={"parameters": PARAMETERS})
    async def get_usage(request: Request) -> Response:
        """Get your usage: the credits of your generations in a period, added up from the postings of your account."""
        return await with_rate_limits(container.rate_limiter, lambda gate: report(request, gate))

    async def report(request: Request, gate: RequestLimits) -> Response:
        principal = await container.authenticator.authenticate(request.headers)
        await gate.take(per_owner, f"{principal.owner.kind}:{principal.owner.id}")
        parameters = request.query_params
        period, by = parse_period(parameters, datetime.now(UTC)), _parse_by(parameters.get("by", "day"))
        limit = parse_number(parameters, "limit", default=ROWS_DEFAULT, most=ROWS_MAX)
        after = _parse_cursor(parameters.get("cursor"), by)
        wants_csv = _wants_csv(parameters.get("format"), request.headers.get("Accept", ""))
        try:
            sums = await fetch_usage(container.peers, principal.owner, period.since, period.until, by)
        except PeerUnavailable as error:
            raise unavailable_problem(error) from error
        except PeriodTooLarge as error:
            raise field_problem("to", f"{error}: a shorter period is required, or fewer groups") from error
        rows = sorted(await rows_of(container, sums), key=lambda row: _key(row, by))
        return (
            _csv(rows, by, period, is_test=principal.owner.is_test)
            if wants_csv
            else json_response({"test": principal.owner.is_test} | _page(rows, by, period, limit, after))
        )

    return routes


async def rows_of(container: Container, sums: Sequence[Row]) -> list[Row]:
    """Billing's sums as they are shown: with what was charged, and what a person recognises each key by."""
    ids = {UUID(row["key"]) for row in sums if row["key"]}
    prefixes = {str(id_): prefix for id_, prefix in (await stores.find_prefixes(container.pool, ids)).items()}
    return [_row(row) | {KEY_PREFIX: prefixes.get(row["key"])} for row in sums]


def _parse_by(text: str) -> tuple[str, ...]:
    """The dimensions, in the order of rows. Raises Problem 400."""
    named = {name for name in text.split(",") if name}
    if unknown := named - set(DIMENSIONS):
        raise field_problem("by", f"{', '.join(DIMENSIONS)} are known, not {', '.join(sorted(unknown))[:80]}")
    return tuple(name for name in DIMENSIONS if name in named)


def _wants_csv(named: str | None, accepted: str) -> bool:
    if named not in (None, "json", "csv"):
        raise field_problem("format", "json or csv is required")
    return named == "csv" or (named is None and CSV_TYPE in accepted)


def _row(sums: Row) -> Row:
    amounts = {name: int(sums[name]) for name in AMOUNTS}
    return {name: sums[name] for name in DIMENSIONS} | amounts | {"charged": amounts["captured"] - amounts["returned"]}


def _page(rows: Sequence[Row], by: tuple[str, ...], period: Period, limit: int, after: list[str] | None) -> Row:
    left = [row for row in rows if after is None or _key(row, by) > after]
    page = left[:limit]
    return {
        "from": period.since,
        "to": period.until,
        "by": by,
        "totals": {name: sum(row[name] for row in rows) for name in (*AMOUNTS, "charged")},
        "data": page,
        "next_cursor": _cursor(_key(page[-1], by)) if len(left) > limit else None,
    }


def _key(row: Row, by: tuple[str, ...]) -> list[str]:
    """By what rows are ordered: unknown before known."""
    return [row[name] or "" for name in by]


def _cursor(key: list[str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(key, ensure_ascii=False).encode()).decode().rstrip("=")


def _parse_cursor(text: str | None, by: tuple[str, ...]) -> list[str] | None:
    """The key of the last row seen. Raises Problem 400."""
    if text is None:
        return None
    try:
        key = json.loads(base64.urlsafe_b64decode(text[:CURSOR_CHARS_MAX] + "=" * (-len(text) % 4)))
    except ValueError:
        key = None
    if not isinstance(key, list) or len(key) != len(by) or not all(isinstance(part, str) for part in key):
        raise field_problem("cursor", "this is no cursor of ours")
    return key


def _csv(rows: Sequence[Row], by: tuple[str, ...], period: Period, *, is_test: bool) -> Response:
    out = io.StringIO()
    columns = (*by, *((KEY_PREFIX,) if "key" in by else ()), *AMOUNTS, "charged")
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([_cell(row[name]) for name in columns] for row in rows)
    name = f"{'test-' if is_test else ''}usage-{period.since:%Y-%m-%d}-{period.until:%Y-%m-%d}.csv"
    headers: Mapping[str, str] = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(out.getvalue(), media_type=CSV_TYPE, headers=headers)


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
