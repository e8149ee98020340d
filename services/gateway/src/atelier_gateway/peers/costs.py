"""What the promise costs: revenue by billing's postings beside cost by render's submissions, joined by generation.

Money is in whole micro-units (millionths) of the declared currency; days are of UTC. Revenue counts on the day of its
posting, cost on the day the request left.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from atelier_gateway.peers.client import PeerClient
from atelier_gateway.peers.usage import ANSWER_S_MAX, fetch_usage
from atelier_gateway.web.periods import Period

DIMENSIONS = ("provider", "model", "day")
PAGE = 5_000
PAGES_MAX = 200
Group = tuple[str | None, str | None, str | None]
"""Provider, model and day; None where rows are not grouped by it, or where it is not known."""
Row = dict[str, Any]


class TooManySubmissions(Exception):
    """The period has more submissions with a cost than are compared at once."""


@dataclass(slots=True)
class GroupCosts:
    """One group. ``charged`` in credits, the rest in micro-units; ``revenue`` is None where no value is declared."""

    generations: int = 0
    charged: int = 0
    revenue: int | None = 0
    submissions: int = 0
    unpriced: int = 0
    cost: int = 0
    waste: int = 0
    unknown: int = 0
    exposure: int = 0

    @property
    def margin(self) -> int | None:
        """Revenue less cost; exposure may still come off it."""
        return None if self.revenue is None else self.revenue - self.cost

    def add_revenue(self, credits: int, value: int | None) -> None:
        """Charged credits at their value; a value that is not declared makes the whole unknown."""
        self.charged += credits
        if credits:
            self.revenue = None if value is None or self.revenue is None else self.revenue + credits * value


@dataclass(slots=True)
class CostReport:
    """All groups, and the table that the costs were declared in: None where there is none."""

    groups: dict[Group, GroupCosts] = field(default_factory=lambda: defaultdict(GroupCosts))
    total: GroupCosts = field(default_factory=GroupCosts)
    table: Row | None = None


async def fetch_costs(peers: PeerClient, period: Period, by: Collection[str]) -> CostReport:
    """The report of a period. Raises PeerUnavailable, PeriodTooLarge and TooManySubmissions."""
    asked = urlencode(period.query | {"by": ",".join(by)})
    spent = await peers.ask("GET", "render", f"/internal/costs/sums?{asked}", timeout_s=ANSWER_S_MAX)
    report = CostReport(table=spent["table"])
    # By day in any case: the value of a credit is declared by date.
    earned = await fetch_usage(peers, None, period.since, period.until, {*by, "day"})
    add_earned(report, earned, by)
    add_spent(report, spent["sums"])
    await _add_waste(report, peers, period, by)
    return report


def add_earned(report: CostReport, sums: Iterable[Row], by: Collection[str]) -> None:
    """Adds billing's sums, which are by day."""
    for row in sums:
        credits, value = row["captured"] - row["returned"], credit_value(report.table, row["day"])
        for each in (report.groups[_group(row, by)], report.total):
            each.generations += row["generations"]
            each.add_revenue(credits, value)


def add_spent(report: CostReport, sums: Iterable[Row]) -> None:
    """Adds render's sums."""
    for row in sums:
        for each in (report.groups[row["provider"], row["model"], row["day"]], report.total):
            each.submissions += row["submissions"]
            each.unpriced += row["unpriced"]
            each.cost += row["cost_micros"]
            each.unknown += row["unknown"]
            each.exposure += row["exposure_micros"]


def add_waste(report: CostReport, costly: Iterable[Row], charges: Mapping[str, Row], by: Collection[str]) -> None:
    """Adds what was spent for nothing: on submissions that brought nothing, and on generations that cost their owner
    nothing in the end. One that is not settled yet is none."""
    for row in costly:
        charge = charges.get(row["generation_id"])
        is_open = charge is not None and charge["state"] == "open"
        if not row["delivered"] or (not is_open and not (charge and charge["charged"])):
            for each in (report.groups[_group(row, by)], report.total):
                each.waste += row["cost_micros"]


def credit_value(table: Row | None, day: str) -> int | None:
    """What a credit is worth on a day, by the version that was valid when it began; None where none is declared."""
    if table is None:
        return None
    began = datetime.fromisoformat(day).replace(tzinfo=UTC)
    valid = [v for v in table["versions"] if datetime.fromisoformat(v["valid_from"]) <= began]
    value: int | None = valid[-1]["credit_value"] if valid else None
    return value


async def _add_waste(report: CostReport, peers: PeerClient, period: Period, by: Collection[str]) -> None:
    after = ""
    for _ in range(PAGES_MAX):
        asked = urlencode(period.query | {"limit": str(PAGE)} | ({"after": after} if after else {}))
        answer = await peers.ask("GET", "render", f"/internal/costs/submissions?{asked}", timeout_s=ANSWER_S_MAX)
        costly: list[Row] = answer["submissions"]
        if not costly:
            return
        ids = {"ids": sorted({row["generation_id"] for row in costly})}
        charged = await peers.ask("POST", "billing", "/internal/charges", ids, timeout_s=ANSWER_S_MAX)
        add_waste(report, costly, {row["generation_id"]: row for row in charged["charges"]}, by)
        if len(costly) < PAGE:
            return
        after = costly[-1]["id"]
    raise TooManySubmissions(f"more than {PAGES_MAX * PAGE} submissions have a cost")


def _group(row: Row, by: Collection[str]) -> Group:
    provider, model, day = (row[name] if name in by else None for name in DIMENSIONS)
    return provider, model, day
