"""Revenue, cost, waste and exposure are added up in whole micro-units, by generation."""

from typing import Any

import pytest

from atelier_gateway.peers.costs import CostReport, add_earned, add_spent, add_waste, credit_value

TABLE: dict[str, Any] = {
    "currency": "USD",
    "versions": [
        {"version": "1", "valid_from": "2026-11-01T00:00:00Z", "credit_value": 10_000},
        {"version": "2", "valid_from": "2026-11-15T12:00:00Z", "credit_value": 8_000},
        {"version": "3", "valid_from": "2026-12-01T00:00:00Z", "credit_value": None},
    ],
}
BY = ("provider", "model", "day")


def earned(day: str, captured: int, returned: int = 0, provider: str | None = "openai") -> dict[str, Any]:
    return {
        "day": day,
        "kind": None,
        "provider": provider,
        "model": "m",
        "generations": 1,
        "reserved": captured,
        "captured": captured,
        "refunded": 0,
        "returned": returned,
    }


def costly(generation: str, micros: int, *, delivered: bool = True) -> dict[str, Any]:
    row = {"generation_id": generation, "provider": "openai", "model": "m", "day": "2026-11-10", "currency": "USD"}
    return row | {"cost_micros": micros, "delivered": delivered}


@pytest.mark.parametrize(
    ("day", "value"),
    [("2026-10-31", None), ("2026-11-01", 10_000), ("2026-11-15", 10_000), ("2026-11-16", 8_000), ("2026-12-01", None)],
)
def test_a_credit_has_the_value_that_was_valid_when_the_day_began(day: str, value: int | None) -> None:
    assert credit_value(TABLE, day) == value
    assert credit_value(None, day) is None


def test_revenue_is_what_was_captured_less_what_was_returned_at_the_value_of_its_day() -> None:
    report = CostReport(table=TABLE)

    add_earned(
        report, [earned("2026-11-10", 20, 5), earned("2026-11-20", 10), earned("2026-11-21", 0, 4)], ("provider",)
    )

    assert report.total.charged == 15 + 10 - 4
    assert report.total.revenue == 15 * 10_000 + 10 * 8_000 - 4 * 8_000
    assert list(report.groups) == [("openai", None, None)]


def test_without_a_value_there_is_no_revenue_and_no_margin() -> None:
    report = CostReport(table=TABLE)

    add_earned(report, [earned("2026-12-02", 1), earned("2026-11-10", 1)], BY)

    assert (report.total.revenue, report.total.margin) == (None, None)
    assert report.groups["openai", "m", "2026-11-10"].revenue == 10_000


def test_margin_is_revenue_less_cost_and_exposure_is_beside_it() -> None:
    report = CostReport(table=TABLE)
    add_earned(report, [earned("2026-11-10", 10)], BY)

    add_spent(
        report,
        [
            {
                "provider": "openai",
                "model": "m",
                "day": "2026-11-10",
                "currency": "USD",
                "submissions": 3,
                "unpriced": 1,
                "unknown": 1,
                "cost_micros": 40_000,
                "exposure_micros": 500_000,
            }
        ],
    )

    group = report.groups["openai", "m", "2026-11-10"]
    assert (group.margin, group.exposure, group.submissions, group.unpriced) == (60_000, 500_000, 3, 1)
    assert (report.total.margin, report.total.exposure) == (60_000, 500_000)


def test_waste_is_what_brought_nothing_or_was_charged_nothing_in_the_end() -> None:
    report = CostReport(table=TABLE)
    charges = {
        "charged": {"state": "captured", "charged": 3},
        "returned": {"state": "captured", "charged": 0},
        "refunded": {"state": "refunded", "charged": 0},
        "in flight": {"state": "open", "charged": 0},
    }
    submissions = [
        costly("charged", 1),
        costly("charged", 10, delivered=False),
        costly("returned", 100),
        costly("refunded", 1_000),
        costly("in flight", 10_000),
        costly("in flight", 100_000, delivered=False),
        costly("unknown to billing", 1_000_000),
    ]

    add_waste(report, submissions, charges, ("day",))

    assert report.groups[None, None, "2026-11-10"].waste == report.total.waste == 1_101_110
