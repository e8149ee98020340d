"""What a person sees: 80 columns, no colours, the verdict first."""

import io
from typing import Any

import pytest
from rich.console import Console, RenderableType

from atelier_local import terminal_text
from atelier_local.api_client.api_models import Balance, Verdict
from atelier_local.operator_cli.costs import money

ID = "0193a1b2-0000-7000-8000-000000000001"
STORY: dict[str, Any] = {
    "id": ID,
    "summary": "The try_on is FAILED (provider_failed: it broke); of 1 credits held 0 were charged and 1 went back.",
    "state": "FAILED",
    "steps": [
        {"at": "2025-11-21T03:00:00.000000+00:00", "service": "gateway", "what": "accepted a try_on"},
        {
            "at": "2025-11-21T03:00:00.004000+00:00",
            "service": "session",
            "what": "new: heard gateway.generation_requested.v1, became RESERVING, sent billing.reserve_credit.v1",
            "outcome": "transition",
        },
        {
            "at": "2025-11-21T03:00:00.006000+00:00",
            "service": "billing",
            "what": "reserve: 1 credit from available to held",
        },
        {
            "at": "2025-11-21T03:00:08.500000+00:00",
            "service": "session",
            "what": "FAILED: heard render.render_completed.v1, became FAILED",
            "outcome": "lost_race",
        },
    ],
}


def plain_text(*what: RenderableType) -> list[str]:
    console = Console(width=80, color_system=None, highlight=False)
    with console.capture() as capture:
        console.print(*what, sep="\n")
    return [line.rstrip() for line in capture.get().splitlines()]


def test_a_story_begins_with_its_verdict_and_counts_time_from_its_first_step() -> None:
    lines = plain_text(terminal_text.timeline(STORY))

    assert lines[0] == f"Generation {ID}"
    assert lines[1].startswith("The try_on is FAILED")
    assert any("2025-11-21 03:00:00 UTC" in line for line in lines)
    assert next(line for line in lines if "reserve: 1 credit" in line).split()[:2] == ["+0.006", "s"]


def test_a_story_points_at_pauses_and_at_lost_races() -> None:
    text = "\n".join(plain_text(terminal_text.timeline(STORY)))

    assert "… 8.5 s pass" in text
    assert text.count("lost race") == 1


def test_a_story_fits_80_columns() -> None:
    assert max(map(len, plain_text(terminal_text.timeline(STORY)))) <= 80


def test_a_story_without_a_record_says_so() -> None:
    lines = plain_text(terminal_text.timeline({"id": ID, "summary": "Unknown.", "state": "unknown", "steps": []}))

    assert "No service has a record of it." in lines


def test_a_receipt_shows_each_posting_and_what_it_comes_to() -> None:
    entries = [
        {"kind": "reserve", "credits": 2, "debit": "available", "credit": "held"},
        {"kind": "capture", "credits": 1, "debit": "held", "credit": "captured"},
        {"kind": "refund", "credits": 1, "debit": "held", "credit": "available"},
    ]
    credits = {"reserved": 2, "captured": 1, "refunded": 1}

    lines = plain_text(terminal_text.receipt({"price_book": "v1", "credits": credits, "entries": entries}))

    assert [line.split() for line in lines] == [
        ["reserve", "2", "credits", "available", "→", "held"],
        ["capture", "1", "credit", "held", "→", "captured"],
        ["refund", "1", "credit", "held", "→", "available"],
        ["charged", "1", "credit", "1", "returned,", "price", "book", "v1"],
    ]


def test_a_balance_adds_up_in_words() -> None:
    account = Balance(available=7, held=1, captured=2, granted=10, expired=0)
    with_expiry = Balance(available=4, held=1, captured=2, granted=10, expired=3)

    assert terminal_text.balance(account) == "10 granted = 7 available + 1 held + 2 captured"
    assert terminal_text.balance(with_expiry) == "10 granted = 4 available + 1 held + 2 captured + 3 expired"


def test_broken_books_name_every_violation() -> None:
    verdict = Verdict(ok=False, accounts=2, entries=9, violations=("owner a: held 1, open holds 0", "owner b: lost"))

    lines = plain_text(terminal_text.ledger_line(verdict))

    assert "NOT in order" in lines[0]
    assert lines[1:] == ["  - owner a: held 1, open holds 0", "  - owner b: lost"]


def test_no_dead_letters_is_said_in_words() -> None:
    assert plain_text(terminal_text.dead_letters("billing.commands", [])) == ["billing.commands has no dead letters."]


def test_a_dead_letter_shows_its_name_its_generation_and_its_reason() -> None:
    letters = [("billing.reserve_credit.v1", ID, "Poison: no such account")]

    text = " ".join(" ".join(plain_text(terminal_text.dead_letters("billing.commands", letters))).split())

    assert "billing.reserve_credit.v1" in text
    assert "Poison" in text


def test_an_id_is_shown_whole_in_a_terminal_of_any_width() -> None:
    console = Console(width=60, record=True, file=io.StringIO())
    found: dict[str, Any] = {"id": ID, "email": f"{'a-long-name' * 9}@example.com", "disabled": False}

    console.print(terminal_text.table_of([found], "id", "email", "disabled"))

    assert found["id"] in console.export_text()


@pytest.mark.parametrize(
    ("micros", "text"),
    [(0, "0.000000 USD"), (63_360, "0.063360 USD"), (-1, "-0.000001 USD"), (12_000_000, "12.000000 USD")],
)
def test_money_is_whole_micro_units_to_the_last_digit(micros: int, text: str) -> None:
    assert money(micros, "USD") == text
    assert money(None, "USD") == money(1, None) == "not declared"
