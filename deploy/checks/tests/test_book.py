"""The book's generated tables: current, complete, and named after what makes them."""

from pathlib import Path

import book
import book_pictures
import book_settings
import links
import pytest

from atelier_session.saga import SAGA

ROOT = Path(__file__).resolve().parents[3]


def test_every_generated_table_of_the_book_is_current() -> None:
    stale = [str(page.relative_to(ROOT)) for page, _ in book.find_outdated(ROOT)]

    assert stale == [], "run python deploy/checks/book.py"


def test_a_page_with_an_old_table_is_written_anew_and_its_prose_stays() -> None:
    page = "before\n\n<!-- generated: prices -->\nold\n<!-- end -->\n\nafter\n"

    current = book.rewritten(page)

    assert current.startswith("before\n\n<!-- generated: prices -->\nPrice book `v")
    assert current.endswith("<!-- end -->\n\nafter\n")
    assert book.rewritten(current) == current


def test_a_table_that_nobody_makes_is_refused_by_its_name() -> None:
    with pytest.raises(KeyError, match="weather"):
        book.rewritten("<!-- generated: weather -->\n<!-- end -->")


def test_every_setting_of_every_service_has_a_row_with_a_meaning() -> None:
    table = book_settings.settings_tables()

    for model in book_settings.READERS.values():
        for setting in book_settings.settings_of(model):
            assert setting.meaning, setting.name
            assert f"| `{setting.name}` |" in table


@pytest.mark.parametrize(
    ("heading", "fragment"),
    [
        ("5. A posting is a transfer", "5-a-posting-is-a-transfer"),
        ("Stores: `/api/v1`", "stores-apiv1"),
        ("[Standard Webhooks](https://x.example), signed", "standard-webhooks-signed"),
    ],
)
def test_a_heading_has_the_fragment_that_code_hosts_give_it(heading: str, fragment: str) -> None:
    assert links.anchor(heading) == fragment


def test_the_picture_of_the_saga_shows_every_state_and_every_message_that_leads_to_another() -> None:
    picture = book_pictures.saga_svg()

    for state, steps in SAGA.items():
        assert str(state) == "new" or f">{state}</text>" in picture
        for heard, step in steps.items():
            assert step.to is state or str(state) == "new" or f">{heard.__name__}</text>" in picture


def test_a_state_without_a_place_in_the_picture_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_pictures, "STATES", {k: v for k, v in book_pictures.STATES.items() if k != "stopping"})

    with pytest.raises(KeyError, match="stopping"):
        book_pictures.saga_svg()
